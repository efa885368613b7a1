# SPDX-License-Identifier: Apache-2.0
# Before a capture, a walker looks who sends over io_uring: what is said, shown and carried while
# it does not answer, and what happens once it does.

load lib
load control_lib
load programs_lib

setup_file() { e2e_setup_file; }

setup() {
	[ "$(id -u)" = 0 ] || skip "the shunt's programs can be loaded by root only"
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	e2e_setup
	socket=$dir/control
}

teardown() {
	[ -z "${socket:-}" ] || e2e_teardown
}

teardown_file() { e2e_teardown_file; }

hang_is_told() {
	grep -q 'does not answer for 10 seconds' "$dir/portshunt.err"
}

walker_hangs() {
	grep -q '^State:.*D (' "/proc/$(walker_of @netns)/status"
}

@test "a walker that hangs is told of once, senders stay on splice meanwhile, and list and stats say so" {
	local holder

	netns_make
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		--datapath shunt -p 7000 -p 7001
	nsenter --net="$ns" perl "$e2e_root/tests/tools/hold-lock.pl" "$dir/held" 3>&- &
	holder=$!
	eventually 5 test -e "$dir/held"
	# a walk over the sockets of the container, which the client's bulk is worth
	bulk 7000 client server
	eventually 5 walker_hangs
	# captures that wait for a look at the container's rings
	bulk 7001 server client
	eventually 20 hang_is_told
	bulk 7001 server client
	for member in captured down_redirected; do
		[ "$(stat_of 2 $member)" = 0 ]
	done
	[ "$(stat_of 2 fallback)" = 2 ]
	[ "$(stat_of 2 down_relayed)" -ge 200000000 ]
	[ "$(control list | awk '$3 == 7001 { print $5, $6, $7 }')" = "0 shunt open" ]
	kill -KILL "$holder"
	wait "$holder" || true
	bulk_redirected 2 down 7001 server client
	grep 'does not answer' "$dir/portshunt.err" >"$dir/told"
	[ "$(<"$dir/told")" = "portshunt: warning: senders of the container stay on splice: the process that walks over its sockets does not answer for 10 seconds: somebody holds a socket's lock" ]
}
