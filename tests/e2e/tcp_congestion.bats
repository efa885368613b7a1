# SPDX-License-Identifier: Apache-2.0
# The host's congestion control, where it is one that paces: for clients of other machines,
# and not for what stays on this one.

load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# join A B - a link between two namespaces, 10.214.0.1 to 10.214.0.2
join() {
	ip link add link0 netns "$1" type veth peer name link0 netns "$2"
	ip -n "$1" addr add 10.214.0.1/24 dev link0
	ip -n "$2" addr add 10.214.0.2/24 dev link0
	ip -n "$1" link set link0 up
	ip -n "$2" link set link0 up
}

# legs_of NETNS FILTER - the congestion control of the connections there
legs_of() {
	nsenter --net="$1" ss -Htin state established "$2" |
		grep -oE '\<(bbr|cubic|reno) ' | sort -u | tr -d ' '
}

# held CLIENT_NETNS ADDR - a connection from there; sets $host_leg and $container_leg
held() {
	peer_start server server hold --control --netns "$inside" --port 7000
	peer_start client client hold --control --netns "$1" "$2" "$port"
	eventually 5 holds
	host_leg=$(legs_of "$outside" "sport = :$port")
	container_leg=$(legs_of "$inside" "dport = :7000")
	peer_kill client
	peer_kill server
}

holds() {
	[ -n "$(legs_of "$inside" "dport = :7000")" ] && [ -n "$(legs_of "$outside" "sport = :$port")" ]
}

@test "BBR: for clients of other machines, not for what stays on this one" {
	grep -qw bbr /proc/sys/net/ipv4/tcp_available_congestion_control ||
		modprobe tcp_bbr 2>/dev/null || skip "this kernel has no BBR"
	netns_make host
	outside=$ns
	netns_make container
	inside=$ns
	netns_make remote
	join "$(basename "$outside")" "$(basename "$ns")"
	nsenter --net="$outside" sysctl -q net.ipv4.tcp_congestion_control=bbr
	wrap=(nsenter --net="$outside")
	portshunt_start attach --netns "$inside" --datapath splice -p 7000 --child-ip 127.0.0.1
	wrap=()
	published 7000

	held "$outside" 127.0.0.1
	[ "$host_leg" = "reno" ]
	[ "$container_leg" = "reno" ]
	# by an address of the host it is not on its way to another machine either
	held "$outside" 10.214.0.1
	[ "$host_leg" = "reno" ]
	held "$ns" 10.214.0.1
	[ "$host_leg" = "bbr" ]
	[ "$container_leg" = "reno" ]
}
