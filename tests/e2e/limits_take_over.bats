# SPDX-License-Identifier: Apache-2.0
# Limits and attach --take-over: those of all rules are the new one's, a rule keeps its own.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load udp_lib
load control_lib
load take_over_lib

setup_file() { e2e_setup_file; }
setup() { control_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

limits() {
	control list | awk '/^[0-9]/ { print $1, $NF }'
}

@test "a rule keeps the limits that add gave it, through two take-overs" {
	first_start -p 80 --rule-limit connections=9
	published 80
	control add --rule-limit connections=2,half-open=off 7000 >/dev/null
	control add --rule-limit idle-timeout=900 7001 >/dev/null
	[ "$(limits)" = "1 connections=9,half-open=1024
2 connections=2
3 connections=9,half-open=1024,idle-timeout=900" ]
	for _ in 1 2; do
		take_over --rule-limit connections=off --rule-limit half-open=7
		[ "$(limits)" = "1 half-open=7
2 connections=2
3 half-open=7,idle-timeout=900" ]
		ended "$old"
	done
	port=$(control list --json | grep -o '"id":2,[^}]*' | sed 's/.*"host_port":\([0-9]*\).*/\1/')
	peer_start server server hold --control --connections 100 --netns "$ns" --port 7000
	peer_start clients client hold --control --connections 3 127.0.0.1 "$port"
	peer_read clients
	# the new one accepts when it is told of them
	ping_says() { peer_ask clients "ping 300" && [ "$line" = "$1" ]; }
	eventually 5 ping_says "answered 2, silent 1"
	asked clients "close 1" "closed 1"
	eventually 5 ping_says "answered 2, silent 0"
}
