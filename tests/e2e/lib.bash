# SPDX-License-Identifier: Apache-2.0
# What the end-to-end tests share. A test file says
#
#	load lib
#	setup_file() { e2e_setup_file; }
#	setup() { e2e_setup; }
#	teardown() { e2e_teardown; }
#	teardown_file() { e2e_teardown_file; }
#
# and needs no more: whatever was started with these functions ends with the test, and the
# test fails when something of ours is left behind.
#
#	$dir		this test's directory, empty at its start
#	$PORTSHUNT	a copy in a place that every user can read, run by nobody else: a process
#			of ours is one that runs it
#	$PEER		a copy of the test peer, see peer --help

e2e_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# ---- around a file and around a test --------------------------------------------------

e2e_setup_file() {
	E2E_DIR=$(mktemp -d /tmp/pstest-XXXXXX)
	chmod 755 "$E2E_DIR"
	cp "${PORTSHUNT:-$e2e_root/build/portshunt}" "$E2E_DIR/portshunt"
	cp "${PEER:-$e2e_root/build/tests/peer}" "$E2E_DIR/peer"
	export E2E_DIR PORTSHUNT=$E2E_DIR/portshunt PEER=$E2E_DIR/peer
}

e2e_teardown_file() {
	user_remove
	rm -rf "$E2E_DIR"
}

e2e_setup() {
	dir=$E2E_DIR/test-$BATS_TEST_NUMBER
	mkdir "$dir"
	chmod 777 "$dir"
	declare -gA peer_pid=() peer_in=() peer_out=() peer_port=()
	namespaces=() published_ports=()
	portshunt_pid=
	mounts_list >"$dir/mounts"
}

# e2e_teardown - ends what the test started, and fails when that leaves something behind.
e2e_teardown() {
	local failed=0 name

	for name in "${!peer_pid[@]}"; do
		peer_kill "$name"
	done
	[ -z "$portshunt_pid" ] || portshunt_stop TERM || failed=1
	leaks_check || failed=1
	for name in "${namespaces[@]}"; do
		netns_delete "$name"
	done
	mounts_list | diff "$dir/mounts" - || { echo "mounts were left behind"; failed=1; }
	[ $failed = 0 ] || sed 's/^/portshunt said: /' "$dir/portshunt.err" 2>/dev/null || true
	rm -rf "$dir"
	return $failed
}

# ---- what must not be left behind -----------------------------------------------------

# our_pids - the processes of ours that live. A zombie has no exe and does not count: in a
# container whose pid 1 reaps nobody they stay for ever.
our_pids() {
	local exe

	for exe in $(find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' \( -lname "$PORTSHUNT" \
		-o -lname "$PORTSHUNT (deleted)" -o -lname '*/slirp4netns' \) 2>/dev/null); do
		exe=${exe%/exe}
		if grep -qsa "E2E_DIR=$E2E_DIR" "$exe/environ" ||
			[[ $(readlink "$exe/exe") == "$PORTSHUNT"* ]]; then
			echo "${exe#/proc/}"
		fi
	done
}

# pid_of KIND - the process of ours that was started as that hidden command, @forwarder; not one
# that it started itself.
pid_of() {
	local pid

	for pid in $(our_pids); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$1" ||
			tr '\0' ' ' <"/proc/$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status")/cmdline" |
			grep -q "$1" || echo "$pid"
	done
}

# What others make in /tmp and /run/netns comes and goes; our namespaces are called pstest-*.
# The first `ip netns add` of a machine makes /run/netns itself a mount.
mounts_list() {
	awk -v tmp="^$E2E_DIR/" -v netns="^/run/netns/pstest-$$-" '
		$5 ~ tmp || $5 ~ netns || $5 !~ "^(/tmp/|/run/netns/|/run/netns$)" {
			print $4, $5, $9
		}' /proc/self/mountinfo
}

nothing_runs() {
	[ -z "$(our_pids)" ]
}

leaks_check() {
	local pid port failed=0

	if ! eventually 10 nothing_runs; then
		for pid in $(our_pids); do
			echo "left behind: process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
			kill -KILL "$pid" 2>/dev/null || true
		done
		failed=1
	fi
	# a process that ends has no exe any more before its sockets are closed
	for port in "${published_ports[@]}"; do
		if ! eventually 3 not_listening "$port"; then
			echo "left behind: port $port is listened on"
			failed=1
		fi
	done
	return $failed
}

# ---- waiting --------------------------------------------------------------------------

# eventually SECONDS COMMAND... - until COMMAND succeeds, looked at every 20 ms. PATIENCE times
# as many seconds on a slow machine.
eventually() {
	local end fraction=0000000

	[[ $1 != *.* ]] || fraction=${1#*.}000000
	end=$((${EPOCHREALTIME/./} + (${1%.*} * 1000000 + 10#${fraction:0:6}) * ${PATIENCE:-1}))

	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# listening PORT [NETNS_PATH] - is there a TCP listener on that port?
listening() {
	local ns=()

	[ -z "${2:-}" ] || ns=(nsenter --net="$2")
	[ -n "$("${ns[@]}" ss -Htln "sport = :$1")" ]
}

listening_udp() {
	[ -n "$(ss -Huln "sport = :$1")" ]
}

# not_listening PORT - neither by TCP nor by UDP
not_listening() {
	[ -z "$(ss -Htuln "sport = :$1")" ]
}

# free_port [COUNT] - sets $port: the first of COUNT ports in a row on which nobody listens,
# none of them one that the kernel hands out.
free_port() {
	local count=${1:-1} try

	for try in {1..200}; do
		port=$((10000 + RANDOM % 20000))
		[ -n "$(ss -Htuln "sport >= :$port and sport < :$((port + count))")" ] || return 0
	done
	echo "found no $count free ports in a row"
	return 1
}

has_ipv6() {
	grep -qs ' lo$' /proc/net/if_inet6
}

# ---- network namespaces ---------------------------------------------------------------

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# netns_make [NAME] - a network namespace whose lo is up; sets $ns to its path.
netns_make() {
	local name=pstest-$$-${1:-$((${#namespaces[@]} + 1))}

	need_root
	ip netns add "$name"
	namespaces+=("$name")
	ip -n "$name" link set lo up
	ns=/run/netns/$name
}

# netns_veth NAME - joins the namespace made as NAME with the host. Sets $host4, $child4,
# $host6, $child6. All go with the namespace.
netns_veth() {
	local name=pstest-$$-$1 n=$((RANDOM % 250 + 1)) link=pst$$${#namespaces[@]}

	link=${link:0:13}
	ip link add "${link}h" type veth peer name eth0 netns "$name"
	host4=10.213.$n.1 child4=10.213.$n.2 host6=fd13:$n::1 child6=fd13:$n::2
	ip addr add "$host4/24" dev "${link}h"
	ip addr add "$host6/64" dev "${link}h" nodad
	ip -n "$name" addr add "$child4/24" dev eth0
	ip -n "$name" addr add "$child6/64" dev eth0 nodad
	ip link set "${link}h" up
	ip -n "$name" link set eth0 up
	ip -n "$name" route add default via "$host4"
}

netns_delete() {
	local left

	left=$(ip netns pids "$1")
	[ -z "$left" ] || kill -KILL $left 2>/dev/null || true
	# the kernel takes its time for the rest, and the next test may choose the same subnet
	ip -n "$1" link del eth0 2>/dev/null || true
	ip netns delete "$1"
}

# ---- portshunt ------------------------------------------------------------------------

# children_close_fds - in a child: nothing of the test's own plumbing stays open in it. Else
# one would keep another's stdin from ending. fd 3 is bats' own.
children_close_fds() {
	local fd

	for fd in "${peer_in[@]}" "${peer_out[@]}"; do
		exec {fd}>&-
	done
	exec 3>&-
}

# portshunt_start COMMAND ARG... - starts `$PORTSHUNT COMMAND --ready-fd 9 ARG...` after the
# words in the array $wrap (prlimit, setpriv …), and returns when it is ready. Sets
# $portshunt_pid. stdout and stderr are in $dir/portshunt.out and .err.
portshunt_start() {
	local command=$1 ready

	shift
	rm -f "$dir/ready"
	mkfifo -m 666 "$dir/ready"
	(
		children_close_fds
		exec "${wrap[@]}" "$PORTSHUNT" "$command" --ready-fd 9 "$@" 9>"$dir/ready" \
			>"$dir/portshunt.out" 2>"$dir/portshunt.err" </dev/null
	) &
	portshunt_pid=$!
	IFS= read -r -n 1 -t $((30 * ${PATIENCE:-1})) ready <"$dir/ready" || true
	if [ "$ready" != 1 ]; then
		echo "portshunt $command $* did not become ready"
		sed 's/^/portshunt said: /' "$dir/portshunt.err"
		return 1
	fi
	published_ports+=($(sed -n 's/.*-> .*:\([0-9]*\)$/\1/p' "$dir/portshunt.err"))
}

# portshunt_stop [SIGNAL] - sends the signal, waits for the end, sets $status. Fails when it
# had to be killed.
portshunt_stop() {
	local pid=$portshunt_pid

	portshunt_pid=
	kill "-${1:-TERM}" "$pid" 2>/dev/null || true
	if ! eventually 10 pid_ended "$pid"; then
		echo "portshunt, pid $pid, did not end within 10 s of SIG${1:-TERM}"
		kill -KILL "$pid"
		wait "$pid" || true
		return 1
	fi
	status=0
	wait "$pid" || status=$?
}

# pid_ended PID - a child that is a zombie has ended; only wait gets its status.
pid_ended() {
	local state

	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || true
	[ -z "$state" ] || [ "$state" = Z ]
}

# published CONTAINER_PORT [udp] - sets $port to the host port that portshunt chose for it.
published() {
	port=$(sed -n "s/^\(.* \)\?$1\/${2:-tcp} -> .*:\([0-9]*\)$/\2/p" "$dir/portshunt.err" | head -1)
	[ -n "$port" ] || { echo "port $1 is not published"; return 1; }
}

# ---- the peer -------------------------------------------------------------------------

# peer_start NAME client|server ARG... - starts a peer whose stdin and stdout are at hand.
# Of a server it waits until it listens, and leaves its port in ${peer_port[NAME]}.
peer_start() {
	local name=$1 side=$2 fd ready=()

	shift
	mkfifo -m 666 "$dir/$name.in" "$dir/$name.out" "$dir/$name.ready"
	(
		children_close_fds
		exec <"$dir/$name.in" >"$dir/$name.out" 2>"$dir/$name.err"
		if [ "$side" = server ]; then
			ready=(--ready-fd 9)
			exec 9>"$dir/$name.ready"
		fi
		exec "${wrap[@]}" "$PEER" "$@" "${ready[@]}"
	) &
	peer_pid[$name]=$!
	exec {fd}>"$dir/$name.in"
	peer_in[$name]=$fd
	exec {fd}<"$dir/$name.out"
	peer_out[$name]=$fd
	[ "$side" = server ] || return 0
	if ! IFS= read -r -t $((30 * ${PATIENCE:-1})) "peer_port[$name]" <"$dir/$name.ready"; then
		echo "peer $* does not listen"
		cat "$dir/$name.err"
		return 1
	fi
}

# peer_tell NAME TEXT - a command on the peer's stdin (its --control).
peer_tell() {
	echo "$2" >&"${peer_in[$1]}"
}

# peer_read NAME - sets $line to the next line that the peer prints.
peer_read() {
	IFS= read -r -t $((60 * ${PATIENCE:-1})) -u "${peer_out[$1]}" line && return
	echo "peer $1 said nothing more"
	cat "$dir/$1.err"
	return 1
}

peer_ask() {
	peer_tell "$1" "$2" && peer_read "$1"
}

# peer_stdin_eof NAME - with --control it ends then.
peer_stdin_eof() {
	local fd=${peer_in[$1]}

	[ -n "$fd" ] || return 0
	exec {fd}>&-
	peer_in[$1]=
}

peer_forget() {
	local fd=${peer_out[$1]}

	peer_stdin_eof "$1"
	exec {fd}<&-
	unset "peer_pid[$1]" "peer_in[$1]" "peer_out[$1]"
	rm -f "$dir/$1".{in,out,ready}
}

# peer_wait NAME - until the peer ends; sets $output to the rest of what it printed, $status.
peer_wait() {
	local name=$1

	output=$(cat <&"${peer_out[$name]}")
	status=0
	wait "${peer_pid[$name]}" || status=$?
	[ ! -s "$dir/$name.err" ] || sed "s/^/$name: /" "$dir/$name.err" >&2
	peer_forget "$name"
}

peer_kill() {
	kill -KILL "${peer_pid[$1]}" 2>/dev/null || true
	wait "${peer_pid[$1]}" 2>/dev/null || true
	peer_forget "$1"
}

# ---- an ordinary user -----------------------------------------------------------------

user_comment="ordinary user of the portshunt tests"

# user_need - from now on, as_user runs commands as somebody who may do what rootless
# containers need: ids in /etc/subuid and /etc/subgid, a runtime directory, /dev/net/tun.
# The user is made when root runs the tests, and goes with the file. Skips where it cannot.
user_need() {
	if [ "$(id -u)" != 0 ]; then
		[ -w /dev/net/tun ] || skip "an ordinary user cannot open /dev/net/tun here"
		return 0
	fi
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	if ! id pstest >/dev/null 2>&1; then
		useradd --comment "$user_comment" --no-create-home --home-dir "$E2E_DIR/home" \
			--shell /bin/sh pstest
	fi
	grep -qs '^pstest:' /etc/subuid || usermod --add-subuids 1500000-1565535 pstest
	grep -qs '^pstest:' /etc/subgid || usermod --add-subgids 1500000-1565535 pstest
	mkdir -p "$E2E_DIR/home" "$E2E_DIR/runtime"
	chown pstest: "$E2E_DIR/home" "$E2E_DIR/runtime"
	chmod 700 "$E2E_DIR/home" "$E2E_DIR/runtime"
	if [[ $(stat -c %a /dev/net/tun) != *6 ]]; then
		stat -c %a /dev/net/tun >"$E2E_DIR/tun-mode"
		chmod a+rw /dev/net/tun
	fi
	user_wrap=(setpriv --reuid pstest --regid pstest --init-groups env -i
		PATH="$PATH" HOME="$E2E_DIR/home" XDG_RUNTIME_DIR="$E2E_DIR/runtime"
		E2E_DIR="$E2E_DIR" TMPDIR=/tmp ${PATIENCE:+PATIENCE="$PATIENCE"}
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"})
}

# as_user COMMAND... - after user_need. With portshunt_start or peer_start say
# wrap=("${user_wrap[@]}") instead.
as_user() {
	"${user_wrap[@]}" "$@"
}

user_remove() {
	[ ! -e "$E2E_DIR/tun-mode" ] || chmod "$(<"$E2E_DIR/tun-mode")" /dev/net/tun
	if getent passwd pstest 2>/dev/null | grep -qF "$user_comment"; then
		userdel pstest || echo "# user pstest stays: somebody else's run uses it" >&3
	fi
}

# ---- the same seen natively and through portshunt -------------------------------------

# attach_start [PORTSHUNT_OPTION...] - a fresh namespace with container port 7000 published
# by $DATAPATH, for clients of either family to a container of the same.
attach_start() {
	netns_make
	child_ips=(--child-ip 127.0.0.1)
	families=(4)
	if has_ipv6; then
		child_ips+=(--child-ip ::1)
		families+=(6)
	fi
	portshunt_start attach --netns "$ns" --datapath "${DATAPATH:-splice}" -p 7000 \
		"${child_ips[@]}" "$@"
	published 7000
}

# client_to WHERE - sets $to: what makes a client go to the server in the namespace natively,
# or through portshunt by IPv4 or IPv6.
client_to() {
	case $1 in
	native) to=(--netns "$ns" 127.0.0.1 7000) ;;
	4) to=(127.0.0.1 "$port") ;;
	6) to=(::1 "$port") ;;
	esac
}

# observe WHERE SERVER_ARG... -- CLIENT_ARG... - prints what either side saw.
observe() {
	local where=$1 server=() to

	shift
	while [ "$1" != -- ]; do
		server+=("$1")
		shift
	done
	shift
	client_to "$where"
	peer_start "server-$where" server "${server[@]}" --netns "$ns" --port 7000 || return
	peer_start "client-$where" client "$@" "${to[@]}"
	peer_wait "client-$where"
	printf 'client, status %d:\n%s\n' "$status" "$output"
	peer_wait "server-$where"
	printf 'server, status %d:\n%s\n' "$status" "$output"
}

# compare SERVER_ARG... -- CLIENT_ARG... - both sides must see through portshunt what they
# see natively. Leaves that in $observed.
compare() {
	local where seen

	observed=$(observe native "$@")
	for where in "${families[@]}"; do
		seen=$(observe "$where" "$@")
		if [ "$seen" != "$observed" ]; then
			echo "natively (<) and through portshunt by IPv$where (>) differ:"
			diff <(echo "$observed") <(echo "$seen") || true
			return 1
		fi
	done
}

# saw TEXT... - each is somewhere in $observed.
saw() {
	local text

	for text; do
		[[ $observed == *"$text"* ]] && continue
		printf 'expected "%s" in:\n%s\n' "$text" "$observed"
		return 1
	done
}
