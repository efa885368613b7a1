# SPDX-License-Identifier: Apache-2.0
# idle-timeout: a connection without a byte for so long is reset on both sides, by whichever
# datapath its bytes went; one that carries bytes is not, however few or slowly they go.

load lib
load udp_lib
load limits_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { late_stop; e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# each_datapath - those that can run here: sets $datapaths
each_datapath() {
	datapaths=(splice)
	[ "$(id -u)" != 0 ] || [ "${BPF:-1}" = 0 ] || datapaths+=(sockmap shunt)
}

# idle_reset COUNT - so many connections of "idle" were reset; "busy" carries bytes meanwhile
idle_reset() {
	peer_ask busy "ping 5000"
	[ "$line" = "answered 2, silent 0" ] || { echo "busy: $line"; exit 1; }
	peer_ask idle status
	[ "$line" = "open: 0, eof: 0, reset: $1" ]
}

# moving MORE - 100 messages to and fro on each of the connections: enough for any datapath
moving() {
	local i

	for ((i = 0; i < 100; i++)); do
		peer_ask "$1" "ping 5000"
	done
}

idle_ends() {
	DATAPATH=$1 limits_start --rule-limit idle-timeout=1 --log-level debug
	servers_start 7000
	# last those who must not be idle: the others may be reset before the first look
	clients idle 7000 3
	moving idle
	clients busy 7000 2
	moving busy
	eventually 20 idle_reset 3
	[ "$(reached 1 idle_timeout)" = 3 ]
	[ "$(grep -c 'no byte for 1 s: the connection is reset' "$dir/portshunt.err")" = 3 ]
	if [ "$1" != splice ]; then
		"$PORTSHUNT" stats --control "$dir/control" --json | grep -o '"up_redirected":[0-9]*' |
			grep -qv ':0$'
	fi
	not_warned
	# the others stop as well: both sides of all of them see a reset
	eventually 20 stands busy "open: 0, eof: 0, reset: 2"
	eventually 20 stands server-7000 "open: 0, eof: 0, reset: 5"
	[ "$(reached 1 idle_timeout)" = 5 ]
	for name in busy idle server-7000; do
		peer_kill $name
	done
	portshunt_stop
	[ "$status" = 0 ]
}

@test "who is idle is reset, who carries a byte now and then is not, on each datapath" {
	each_datapath
	for datapath in "${datapaths[@]}"; do
		idle_ends "$datapath"
	done
}

@test "a rule without it is left alone, and so is a process without it" {
	limits_start --rule-limit idle-timeout=1 -p 7001
	servers_start 7000 7001
	other=$("$PORTSHUNT" add --control "$dir/control" --rule-limit idle-timeout=off 7001)
	port7001=${other##*:}
	clients kept 7001 3
	clients idle 7000 3
	eventually 20 stands idle "open: 0, eof: 0, reset: 3"
	asked kept "ping 5000" "answered 3, silent 0"
	[ "$(reached 3 idle_timeout)" = "" ]
}

@test "a receiver that empties a full queue slowly is not idle, also after the sender's end" {
	limits_start --rule-limit idle-timeout=1
	peer_start server server source --bytes 2m --netns "$ns" --port 7000
	peer_start client client sink --bytes 2m --rcvbuf 64k --read-size 64k --read-pause 100 \
		127.0.0.1 "$port"
	peer_wait client
	[ "$status" = 0 ]
	[[ $output == *"recv: EOF"* ]]
	peer_wait server
	[ "$status" = 0 ]
	[ "$(reached 1 idle_timeout)" = 0 ]
}

@test "half closed and idle, and not answered yet: they are reset as well" {
	limits_start --rule-limit idle-timeout=1 -p 7001
	# it does not read, so it does not see that the client's side ended
	peer_start server server sink --stop-after 0 --control --netns "$ns" --port 7001
	peer_start half client exchange --send 1000 --finish shutdown 127.0.0.1 "$port7001"
	peer_wait half
	[[ $output == *"recv: ECONNRESET"* ]]
	[ "$(reached 2 idle_timeout)" = 1 ]
	peer_kill server
	late_start 7000
	peer_start crowd client hold --control --connections 5 127.0.0.1 "$port7000"
	peer_read crowd
	eventually 20 stands crowd "open: 0, eof: 0, reset: 5"
}

@test "3000 connections end together, and others carry on" {
	[ "$(ulimit -Hn)" -ge 8000 ] || skip "the hard limit of open files is $(ulimit -Hn), not 8000"
	limits_start --rule-limit idle-timeout=4 -p 7001
	servers_start 7000 7001
	clients crowd 7000 3000
	clients others 7001 1
	gone() {
		asked others "ping 5000" "answered 1, silent 0"
		stands crowd "open: 0, eof: 0, reset: 3000"
	}
	eventually 30 gone
	[ "$(reached 1 idle_timeout)" = 3000 ]
}
