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

# newcomer - a download whose client stops to read after 100 KB. When its server waits, $mss is of
# the server's socket, $rcvbuf of the forwarder's in the container, and $queued is what waits in
# the one that the client is connected to.
newcomer() {
	peer_start source server source --bytes 30m --until-blocked 300 --netns "$ns" --port 7001
	peer_start sink client sink --stop-after 100k --control --bytes 30m 127.0.0.1 "$port1"
	peer_read source
	mss=$(nsenter --net="$ns" ss -Htni state established "sport = :7001" | grep -o ' mss:[0-9]*')
	mss=${mss#*:}
	rcvbuf=$(nsenter --net="$ns" ss -Htm state established "dport = :7001" | grep -o ',rb[0-9]*')
	rcvbuf=${rcvbuf#,rb}
	queued=$(ss -Htm state established "sport = :$port1" | grep -o ',w[0-9]*')
	queued=${queued#,w}
	echo "mss $mss rcvbuf $rcvbuf queued $queued"
	peer_kill sink
	peer_kill source
}

# waiting N - N connections of port 7000 have something to send to their clients
waiting() {
	[ "$(ss -Htn state established "sport = :$port" | awk '$2 > 0' | wc -l)" -ge "$1" ]
}

# moving N - so many bulk connections of port 7000 have come as far as to the container
moving() {
	[ "$(nsenter --net="$ns" ss -Htni state established "sport = :7000" |
		grep -c 'bytes_acked:[0-9]\{5\}')" -ge "$1" ]
}

newcomer_gets_little() {
	newcomer && [ "$rcvbuf" = 131072 ] && [ "$mss" -lt 16384 ]
}

newcomer_gets_all() {
	newcomer && [ "$rcvbuf" -gt 131072 ] && [ "$mss" -gt 60000 ]
}

@test "of a reader that has stopped little waits to be sent, and the more of them, the less" {
	netns_make
	portshunt_start attach --netns "$ns" --datapath splice --child-ip 127.0.0.1 -p 7000 -p 7001
	published 7001
	port1=$port
	published 7000
	newcomer_gets_all
	[ "$queued" -le $((400 << 10)) ]
	peer_start bench server bench --netns "$ns" --port 7000
	peer_start many client throughput --down --streams 80 --seconds 60 127.0.0.1 "$port"
	eventually 10 moving 80
	kill -STOP "${peer_pid[many]}"
	eventually 10 waiting 80
	eventually 30 newcomer_gets_little
	[ "$queued" -le $((400 << 10)) ]
	# they end, and newcomers are as before
	peer_kill many
	eventually 30 newcomer_gets_all
}
