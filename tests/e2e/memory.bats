# SPDX-License-Identifier: Apache-2.0
# How much of the host's memory a connection may hold is not for the container to say.

load lib
load control_lib

setup_file() { e2e_setup_file; }
setup() {
	e2e_setup
	socket=$dir/control
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# nested - sets $container, a namespace, and $inner, one behind it that has the address 10.99.0.2,
# so that what the container publishes is not on an address of its own
nested() {
	netns_make
	container=$ns
	netns_make
	inner=$ns
	ip -n "${container##*/}" link add inner type veth peer name eth0 netns "${inner##*/}"
	ip -n "${container##*/}" addr add 10.99.0.1/24 dev inner
	ip -n "${inner##*/}" addr add 10.99.0.2/24 dev eth0
	ip -n "${container##*/}" link set inner up
	ip -n "${inner##*/}" link set eth0 up
}

@test "a container's sysctls do not decide how much a connection to elsewhere may hold" {
	nested
	nsenter --net="$container" sysctl -qw net.ipv4.tcp_wmem="4096 1073741824 2147483647" \
		net.ipv4.tcp_rmem="4096 1073741824 2147483647"
	portshunt_start attach --netns "$container" --datapath splice --child-ip 10.99.0.2 -p 7000
	published 7000
	peer_start server server sink --stop-after 100k --control --bytes 30m --netns "$inner" --port 7000
	peer_start client client source --bytes 30m --until-blocked 300 127.0.0.1 "$port"
	peer_read client
	# sndbuf and rcvbuf of the forwarder's socket, which is of the container's namespace
	run nsenter --net="$container" ss -Htmn state established "dport = :7000"
	echo "$output"
	[[ $output =~ ",rb"([0-9]+).*",tb"([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -le $((4 << 20)) ]
	[ "${BASH_REMATCH[2]}" -le $((4 << 20)) ]
	peer_tell server resume
	for name in client server; do
		peer_wait $name
		[ "$status" = 0 ]
	done
}
