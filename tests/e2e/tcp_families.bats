# SPDX-License-Identifier: Apache-2.0
# A client of one family reaches a container that has only the other.

load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# carried CHILD_IP FAMILY CLIENT_ADDR - a server of that family, a client that is of the other
carried() {
	local seen

	netns_make
	portshunt_start attach --netns "$ns" --datapath "${DATAPATH:-splice}" -p 7000 --child-ip "$1"
	published 7000
	for seen in "bulk --bytes 4m" "half-close --bytes 1m" "server-half-close --bytes 1m"; do
		peer_start server server $seen "$2" --netns "$ns" --port 7000
		peer_start client client $seen "$3" "$port"
		peer_wait client
		[ "$status" = 0 ]
		[[ $output == *"recv: EOF"* ]]
		peer_wait server
		[ "$status" = 0 ]
	done
	# not before the client knows that it is connected: its connect(2) may tell of a reset, too
	peer_start server server rst --read 1 "$2" --netns "$ns" --port 7000
	peer_start client client exchange --bytes 1 --finish hold "$3" "$port"
	peer_wait client
	[[ $output == *"recv: ECONNRESET"* ]]
	peer_wait server
}

@test "an IPv6 client of an IPv4-only server" {
	has_ipv6 || skip "this host has no IPv6"
	carried 127.0.0.1 -4 ::1
}

@test "an IPv4 client of an IPv6-only server" {
	has_ipv6 || skip "this host has no IPv6"
	carried ::1 -6 127.0.0.1
}

@test "clients of both families at once, to a container that has one" {
	has_ipv6 || skip "this host has no IPv6"
	netns_make
	portshunt_start attach --netns "$ns" --datapath "${DATAPATH:-splice}" -p 7000 --child-ip 127.0.0.1
	published 7000
	peer_start server server bulk -4 --bytes 8m --connections 2 --netns "$ns" --port 7000
	peer_start four client bulk --bytes 8m 127.0.0.1 "$port"
	peer_start six client bulk --bytes 8m --seed 2 ::1 "$port"
	for name in four six server; do
		peer_wait $name
		[ "$status" = 0 ]
	done
}
