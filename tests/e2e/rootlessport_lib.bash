# SPDX-License-Identifier: Apache-2.0
# What the tests of the drop-in for podman's rootlessport share, on top of lib.bash and
# run_lib.bash.
#
#	$ours		the link to portshunt
#	$original	podman's own program, "" where it is not installed
#	$ns		a network namespace

rootlessport_setup() {
	run_setup
	mkdir "$dir/bin"
	ln -s "$PORTSHUNT" "$dir/bin/rootlessport"
	ours=$dir/bin/rootlessport original=
	for original in /usr/libexec/podman/rootlessport /usr/lib/podman/rootlessport ''; do
		[ ! -x "$original" ] || break
	done
}

# config [MEMBERS] [MAPPING...] - writes the configuration to $dir/config: podman's members,
# then MEMBERS (", …"), which count more.
config() {
	local members=${1:-} mappings

	shift || true
	mappings=$(IFS=,; echo "$*")
	cat >"$dir/config" <<-END
		{"Mappings":[$mappings],"NetNSPath":"${ns:-/proc/@NSPID/ns/net}","ExitFD":3,"ReadyFD":4,
		"TmpDir":"$tmpdir/t","ChildIP":"127.0.0.1","ContainerID":"c0ffee","RootlessCNI":false$members}
	END
}

# mapping HOST_PORT CONTAINER_PORT [PROTOCOL [RANGE [HOST_IP]]] - one, as podman 4 writes it
mapping() {
	printf '{"host_ip":"%s","container_port":%s,"host_port":%s,"range":%s,"protocol":"%s"}' \
		"${5:-}" "$2" "$1" "${4:-1}" "${3:-tcp}"
}

# user_namespaces - after user_need: sets $wrapped to the words before a command that runs it in
# what podman makes for an ordinary user: a user namespace with a network namespace in it, which
# is not the command's own. @NSPID in $dir/config becomes a process of that, which ends with it.
user_namespaces() {
	ns=
	[ "$(id -u)" = 0 ] || user_wrap=(env)
	wrapped=("${user_wrap[@]}" PSTEST_MARK="$dir" unshare --user --map-root-user sh -c '
		dir=$1
		shift
		mkfifo "$dir/nspid"
		unshare --net sh -c "ip link set lo up; echo \$\$ >$dir/nspid; exec cat $dir/nsend" \
			3<&- 4>&- &
		read -r pid <"$dir/nspid"
		rm "$dir/nspid"
		sed "s/@NSPID/$pid/" "$dir/config" >"$dir/config.user"
		exec "$@" <"$dir/config.user"' - "$dir")
}

# helper_start PROGRAM [WRAP...] - runs it with $dir/config as podman does. Sets $helper_pid and
# $ready: the byte it wrote to ReadyFD, "1" or nothing; the end, which is not the original's way,
# is left in the descriptor $ready_fd. Its stdout and stderr are in $dir/helper.out and .err.
helper_start() {
	local program=$1 fd

	shift
	rm -f "$dir/ready" "$dir/exit" "$dir/nsend" "$dir/nspid"
	mkfifo -m 666 "$dir/ready" "$dir/exit" "$dir/nsend"
	exec {exit_fd}<>"$dir/exit" {nsend_fd}<>"$dir/nsend"
	# children_close_fds closes these in whatever is started later
	peer_in[exit]=$exit_fd peer_in[nsend]=$nsend_fd
	(
		children_close_fds
		exec "$@" "$program" <"$dir/config" 3<"$dir/exit" 4>"$dir/ready" \
			>"$dir/helper.out" 2>"$dir/helper.err"
	) &
	helper_pid=$!
	ready=
	exec {ready_fd}<"$dir/ready"
	peer_in[ready]=$ready_fd
	IFS= read -r -n 1 -t 30 -u "$ready_fd" ready || true
}

# helper_go [WRAP...] - ours, which must become ready
helper_go() {
	helper_start "$ours" "$@"
	[ "$ready" = 1 ] || { echo "not ready: $(cat "$dir/helper.out" "$dir/helper.err")"; return 1; }
}

# helper_exit - the container ends; sets $status
helper_exit() {
	[ -z "${exit_fd:-}" ] || exec {exit_fd}>&-
	helper_wait
}

# helper_wait - for the end of the helper; sets $status
helper_wait() {
	local pid=${helper_pid:-}

	status=0 helper_pid=
	[ -n "$pid" ] || return 0
	if ! eventually 10 pid_ended "$pid"; then
		echo "the helper does not end"
		kill -KILL "$pid"
		status=-1
		return 1
	fi
	wait "$pid" || status=$?
	[ -z "${exit_fd:-}" ] || exec {exit_fd}>&-
	exec {nsend_fd}>&- {ready_fd}<&-
	unset 'peer_in[exit]' 'peer_in[nsend]' 'peer_in[ready]' exit_fd nsend_fd
}

rootlessport_teardown() {
	local failed=0

	if [ -n "${helper_pid:-}" ]; then
		helper_exit || failed=1
	fi
	rm -rf "${tmpdir:?}"/*
	run_teardown || failed=1
	return $failed
}

# reload TEXT... - the replies of the reload socket, a line each
reload() {
	perl "$e2e_root/tests/tools/seqpacket.pl" "${rp:-$tmpdir/t/rp/c0ffee}" "$@"
}
