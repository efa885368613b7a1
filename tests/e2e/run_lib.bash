# SPDX-License-Identifier: Apache-2.0
# What the tests of `run` and `attach` as commands share, on top of lib.bash. A test file
# says `load lib`, `load run_lib`, and then its setup() calls run_setup, its teardown()
# run_teardown instead of e2e_setup and e2e_teardown.
#
#	$tmpdir		for --tmpdir; it must be empty again at the end of a test
#	$who		"root" or "user", see as

run_setup() {
	e2e_setup
	ends_with_test=()
	wrap=()
	tmpdir=$dir/tmp
	mkdir -m 777 "$tmpdir" "$dir/www"
	echo "a page" >"$dir/www/index.html"
	export PSTEST_MARK=$dir
}

run_teardown() {
	local pid failed=0

	for pid in "${ends_with_test[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if [ -n "$(ls -A "$tmpdir")" ]; then
		echo "left behind in --tmpdir: $(ls -A "$tmpdir")"
		failed=1
	fi
	e2e_teardown || failed=1
	return $failed
}

# as root|user - who runs portshunt in this test; with user it is an ordinary user.
as() {
	who=$1
	wrap=()
	if [ "$1" = user ]; then
		[ "$(id -u)" = 0 ] || skip "is what the test before did"
		user_need
		wrap=("${user_wrap[@]}" PSTEST_MARK="$dir")
	fi
}

# marked - processes that descend from this test, but bats' own and its servers: COMMANDs.
marked() {
	local file exe servers=" ${ends_with_test[*]} "

	for file in $(grep -lsaF "PSTEST_MARK=$dir" /proc/[0-9]*/environ); do
		exe=$(readlink "${file%environ}exe") || continue
		file=${file//[!0-9]/}
		[[ $exe == */bash || $exe == */grep || $servers == *" $file "* ]] || echo "$file"
	done
}

nothing_marked() {
	[ -z "$(marked)" ]
}

# process_marked NAME - sets $pid to the one of them that has that name
process_marked() {
	for pid in $(marked); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || return 0
	done
	return 1
}

# all_gone - no process of ours, no COMMAND; soon, for the death of a process is asynchronous.
all_gone() {
	eventually 5 nothing_runs || { echo "still there: $(our_pids)"; return 1; }
	eventually 5 nothing_marked || { echo "still there: $(marked)"; return 1; }
}

# process_of forwarder|netns|init|slirp4netns|supervisor - sets $pid
process_of() {
	local child

	if [ "$1" = supervisor ]; then
		pid=$portshunt_pid
		return
	fi
	for child in $(cat "/proc/$portshunt_pid/task/$portshunt_pid/children"); do
		case $(tr '\0' ' ' <"/proc/$child/cmdline") in
		"portshunt @$1 "* | "rootlessport @$1 "* | *"/$1 "*)
			pid=$child
			return
			;;
		esac
	done
	echo "there is no $1"
	return 1
}

# finish - waits for portshunt's own end, sets $status and $took in ms.
finish() {
	local from=${EPOCHREALTIME/./} pid=$portshunt_pid

	portshunt_pid=
	if ! eventually "${1:-10}" pid_ended "$pid"; then
		echo "portshunt does not end"
		portshunt_pid=$pid
		return 1
	fi
	status=0
	wait "$pid" || status=$?
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

# soon [MS] - it took less than that, 1000 ms; PATIENCE times as much on a slow machine
soon() {
	[ "$took" -lt $((${1:-1000} * ${PATIENCE:-1})) ] || { echo "it took $took ms"; return 1; }
}

# closed PORT - also after a SIGKILL: a process loses its exe first, then its sockets
closed() {
	eventually 2 not_listening "$1"
}

# said TEXT - portshunt did, on stderr
said() {
	grep -qF -- "$1" "$dir/portshunt.err" && return
	echo "portshunt did not say: $1"
	sed 's/^/portshunt said: /' "$dir/portshunt.err"
	return 1
}

# httpd [ADDR:]PORT [NETNS] - serves "a page" there
httpd() {
	local ns=()

	[ -z "${2:-}" ] || ns=(nsenter --net="$2")
	(
		children_close_fds
		exec "${ns[@]}" busybox httpd -f -p "$1" -h "$dir/www"
	) &
	ends_with_test+=($!)
	eventually 5 listening "${1##*:}" "${2:-}"
}

# page URL - is it "a page"?
page() {
	[ "$(timeout 5 busybox wget -q -O - "$1" 2>&1)" = "a page" ]
}

# pages PORT - over both families
pages() {
	page "http://127.0.0.1:$1/"
	! has_ipv6 || page "http://[::1]:$1/"
}

# not COMMAND... - bats overlooks a bare `!`
not() {
	! "$@"
}

diag() {
	echo "# $*" >&3
}
