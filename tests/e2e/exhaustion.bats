# SPDX-License-Identifier: Apache-2.0
# What can run out, runs out: descriptors, memory, ports of the container, entries of BPF maps.
# Newcomers wait or are reset, or stay on splice; whoever is in goes on, byte by byte; one warning
# says what is missing; and once it is there again, all is as before. (Descriptors with data on its
# way: tcp_limits.bats. UDP sessions: udp_sessions.bats. Bytes that need memory while there is none:
# tests/unit/datapath_splice.c.)

load lib
load udp_lib
load limits_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() {
	[ -z "${filler:-}" ] || kill "$filler" || true
	e2e_teardown
}
teardown_file() { e2e_teardown_file; }

# newcomers PORT COUNT - "newcomers", connections that may have to wait
newcomers() {
	peer_start newcomers client hold --control --connections "$2" 127.0.0.1 "$1"
	peer_read newcomers
}

# some_answer NAME - sets $answered and $silent
some_answer() {
	peer_ask "$1" "ping 2000"
	[[ $line =~ ^answered\ ([0-9]+),\ silent\ ([0-9]+)$ ]]
	answered=${BASH_REMATCH[1]} silent=${BASH_REMATCH[2]}
}

# transfers_start - "up" and "down", whose receivers have stopped in the middle; transfers_end lets
# them go on, and every byte has to be there.
transfers_start() {
	peer_start up-server server sink --stop-after 100k --control --bytes 30m --connections 5 \
		--netns "$ns" --port 7001
	peer_start up client source --bytes 30m --streams 5 --until-blocked 200 127.0.0.1 "$port7001"
	peer_start down-server server source --bytes 30m --connections 5 --until-blocked 200 \
		--netns "$ns" --port 7002
	peer_start down client sink --stop-after 100k --control --streams 5 --bytes 30m \
		127.0.0.1 "$port7002"
	for i in {1..5}; do
		peer_read up
		peer_read down-server
	done
}

transfers_end() {
	local name

	peer_tell up-server resume
	peer_tell down resume
	for name in up up-server down down-server; do
		peer_wait $name
		[ "$status" = 0 ] || { echo "$name: $status, $output"; return 1; }
	done
}

@test "descriptors: add is refused, and the end is in order all the same" {
	wrap=(prlimit --nofile=300:300)
	limits_start
	wrap=()
	servers_start 7000
	clients first 7000 1
	newcomers "$port" 200
	some_answer newcomers
	[ "$silent" -gt 0 ]
	warned "warning: accept: too many open files"
	if "$PORTSHUNT" add --control "$dir/control" 7003 2>"$dir/refused"; then false; fi
	grep -q "too many open files: 1 ports and [0-9]* connections are open" "$dir/refused"
	asked first "ping 5000" "answered 1, silent 0"
	portshunt_stop
	[ "$status" = 0 ]
	# those who were in see an orderly end, those who waited that nobody listens any more
	eventually 5 stands first "open: 0, eof: 1, reset: 0"
	eventually 5 stands newcomers "open: 0, eof: $answered, reset: $silent"
}

# memory_set BYTES - the forwarder's soft limit; by its own user, who needs no CAP_SYS_RESOURCE
memory_set() {
	local pid own=()

	pid=$(pid_of @forwarder)
	[ "$(id -u)" != 0 ] || own=(setpriv --clear-groups --reuid "$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status")"
		--regid "$(awk '$1 == "Gid:" { print $2 }' "/proc/$pid/status")")
	"${own[@]}" prlimit --pid "$pid" --as="$1":
}

# the forwarder may have KIB more memory than now
memory_limit() {
	memory_set $(($(awk '/^VmSize:/ { print $2 * 1024 }' "/proc/$(pid_of @forwarder)/status") + $1 * 1024))
}

@test "memory: newcomers wait until there is some" {
	[ -z "${SAN:-}" ] || skip "sanitized: ASan has memory of its own"
	limits_start
	servers_start 7000
	clients first 7000 1
	memory_limit 100
	newcomers "$port" 3000
	some_answer newcomers
	echo "# with 100 KiB: $line" >&3
	[ "$answered" -gt 0 ]
	[ "$silent" -gt 0 ]
	warned "warning: accept: cannot allocate memory"
	asked first "ping 5000" "answered 1, silent 0"
	not_spinning 500
	memory_set unlimited
	eventually 10 answered newcomers 3000 0
	asked newcomers status "open: 3000, eof: 0, reset: 0"
}

@test "memory: who is in loses no byte" {
	[ -z "${SAN:-}" ] || skip "sanitized: ASan has memory of its own"
	limits_start -p 7001 -p 7002
	servers_start 7000
	transfers_start
	memory_limit 0
	newcomers "$port" 3000
	some_answer newcomers
	[ "$silent" -gt 0 ]
	transfers_end
	peer_kill newcomers
	memory_set unlimited
	clients others 7000 10
	warned "warning: accept: cannot allocate memory"
}

# ports_left N - the container's namespace has so many to connect from
ports_left() {
	nsenter --net="$ns" sysctl -qw net.ipv4.ip_local_port_range="40000 $((39999 + $1))"
}

@test "ports of the container: newcomers are reset until one is free" {
	limits_start -p 7001 -p 7002
	# by IPv6 it would connect from the same ports again
	nsenter --net="$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ports_left 20
	servers_start 7000
	transfers_start
	clients first 7000 20
	newcomers "$port" 10
	# a reset may come before or after connect(2) is over
	all_reset() { peer_ask newcomers status && [[ $line == "open: 0, eof: 0, reset: "* ]]; }
	eventually 5 all_reset
	warned "warning: connect: cannot assign requested address: 30 connections are open"
	# a port is taken for each port of the container: another one is not harmed
	asked first "ping 5000" "answered 20, silent 0"
	transfers_end
	asked first "close 10" "closed 10"
	# a port that was closed is free after a second of TIME_WAIT; those who got one keep it
	newcomers_answer() {
		some_answer newcomers
		[ "$answered" != 10 ] || return 0
		peer_ask newcomers "open $((10 - answered - silent))"
		return 1
	}
	eventually 10 newcomers_answer
	asked first "ping 5000" "answered 10, silent 0"
}

@test "ports of the container, UDP: the session that was idle longest makes room" {
	limits_began=$SECONDS
	udp_start
	ports_left 10
	echo_start
	clients_start 10
	all_answer() { peer_ask clients "ping 500" && [ "$line" = "answered 10, silent 0, refused 0" ]; }
	eventually 5 all_answer
	peer_start others client udp-hold --connections 4 127.0.0.1 "$port"
	peer_read others
	asked others "ping 2000" "answered 4, silent 0, refused 0"
	asked server tell "told 10"
	asked others "listen 3000 4" "heard 4"
	asked clients "listen 3000 6" "heard 6"
	asked clients "listen 100" "heard 0"
	warned "warning: udp: 10 sessions are open, and none of the container's ports is left"
	ports_left 1000
	eventually 5 all_answer
	asked others "ping 2000" "answered 4, silent 0, refused 0"
}

# need_bpf - what loads programs
need_bpf() {
	need_root
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
}

# map_of NAME - the id of the forwarder's map of that name
map_of() {
	local id

	for id in $(sed -n 's/^map_id:[[:space:]]*//p' "/proc/$(pid_of @forwarder)/fdinfo/"* | sort -u); do
		! bpftool map show id "$id" | grep -q " name $1 " || echo "$id"
	done
}

# fill_start MAP LETTER [PORT] - its entries are taken, by tests/tools/fill-map.pl
fill_start() {
	mkfifo "$dir/fill.in" "$dir/fill.out"
	perl "$e2e_root/tests/tools/fill-map.pl" "$(map_of "$1")" "${@:2}" <"$dir/fill.in" \
		>"$dir/fill.out" 3>&- &
	filler=$!
	exec {fill_in}>"$dir/fill.in" {fill_out}<"$dir/fill.out"
	IFS= read -r -t 30 -u "$fill_out" line
	[[ $line == "filled "* ]]
}

fill_end() {
	echo >&"$fill_in"
	IFS= read -r -t 30 -u "$fill_out" line
	[ "$line" = emptied ]
	echo >&"$fill_in"
	exec {fill_in}>&- {fill_out}<&-
	wait "$filler"
	filler=
}

# busy NAME - 100 messages on each of its connections: enough for any datapath
busy() {
	local i

	for ((i = 0; i < 100; i++)); do
		peer_ask "$1" "ping 10000" || return
		[[ $line == "answered "*", silent 0" ]] || return
	done
}

# redirected - bytes that clients sent, and that did not go by splice
redirected() {
	"$PORTSHUNT" stats --control "$dir/control" --json --id 1 |
		sed 's/.*"rules"//; s/.*"up_redirected":\([0-9]*\).*/\1/'
}

# redirects NAME - what it sends does not all go by splice, in the end: a connection is taken off it
# while messages go on
redirects() {
	local before end=$((SECONDS + 10 * ${PATIENCE:-1}))

	before=$(redirected)
	while busy "$1"; do
		[ "$(redirected)" = "$before" ] || return 0
		[ "$SECONDS" -lt "$end" ] || return 1
	done
	return 1
}

@test "map entries of the shunt: newcomers stay on splice until there are some" {
	need_bpf
	DATAPATH=shunt limits_start
	servers_start 7000
	clients first 7000 3
	redirects first
	fill_start targets Q "$port"
	limits_began=$SECONDS
	before=$(redirected)
	clients newcomers 7000 20
	busy newcomers
	eventually 5 warned "connections are on the shunt, the most there can be: others stay on splice"
	busy newcomers
	[ "$(redirected)" = "$before" ]
	# each of the 20 was refused, and it is still one
	warned "connections are on the shunt, the most there can be: others stay on splice"
	redirects first
	fill_end
	clients others 7000 3
	redirects others
	peer_ask newcomers "ping 5000"
	[ "$line" = "answered 20, silent 0" ]
}

@test "map entries of sockmap: newcomers stay on splice until there are some" {
	need_bpf
	DATAPATH=sockmap limits_start
	servers_start 7000
	clients first 7000 3
	redirects first
	fill_start indexes L
	limits_began=$SECONDS
	before=$(redirected)
	clients newcomers 7000 20
	busy newcomers
	eventually 5 warned "warning: sockmap has no room for more connections"
	busy newcomers
	[ "$(redirected)" = "$before" ]
	# each of the 20 was refused, and it is still one
	warned "warning: sockmap has no room for more connections"
	redirects first
	fill_end
	clients others 7000 3
	redirects others
	peer_ask newcomers "ping 5000"
	[ "$line" = "answered 20, silent 0" ]
}
