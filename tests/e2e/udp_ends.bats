# SPDX-License-Identifier: Apache-2.0
# Closed, restarted and stopped containers' servers, the end of portshunt, and errors.

load lib
load udp_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

@test "the container's server is restarted: its clients go on, none of their datagrams lost" {
	udp_start
	echo_start
	clients_start 10
	asked clients "ping 2000" "answered 10, silent 0, refused 0"
	peer_kill server
	for i in 1 2 3; do
		asked clients send "sent 10"
		asked clients "listen 100" "heard 0"
	done
	echo_start
	asked clients "ping 2000" "answered 10, silent 0, refused 0"
	asked server status "clients: 10, received: 10"
}

# closed AT PORT [PEER_OPTION...] - what five clients are told of a port on which nobody is
closed() {
	peer_start closed client udp-hold --connections 5 "$@"
	peer_read closed
	# one more refusal than datagrams is counted in the next round
	for i in 1 2 3; do
		asked closed "ping 3000" "answered 0, silent 5, refused 5"
	done
	peer_kill closed
}

@test "a closed port of the container: clients are told, as they would be natively" {
	udp_start
	free_port
	closed 127.0.0.1 "$port"
	published 7000 udp
	for family in "${families[@]}"; do
		loopback "$family"
		closed "$at" "$port"
	done
	# local ones of another address, and remote ones
	container=$ns
	netns_make
	netns_veth 2
	closed "$host4" "$port"
	closed "$host4" "$port" --netns "$ns"
	closed "$host6" "$port" --netns "$ns"
	closed "$host6" "$port"
	portshunt_stop
	portshunt_start attach --netns "$container" -p 127.0.0.1::7000/udp --child-ip 127.0.0.1
	published 7000 udp
	closed 127.0.0.1 "$port"
}

@test "an ICMP error by IPv6 carries the header of the client's datagram" {
	need_root
	has_ipv6 || skip "this host has no IPv6"
	udp_start
	# version, next header, and the ports: the client's is its own
	run timeout 20 perl -MSocket=:all -e '
		my $to = pack_sockaddr_in6($ARGV[0], inet_pton(AF_INET6, "::1"));
		socket(my $raw, AF_INET6, SOCK_RAW, 58) or die "$!";
		socket(my $udp, AF_INET6, SOCK_DGRAM, 0) or die "$!";
		connect($udp, $to) && send($udp, "x", 0) or die "$!";
		my ($own) = unpack_sockaddr_in6(getsockname($udp));
		while (defined recv($raw, my $icmp, 2000, 0)) {
			my ($type, $code) = unpack("CC", $icmp);
			my ($first, $next, $from, $port) = unpack("x8 C x5 C x33 n n", $icmp);
			next if $type != 1 || $code != 4 || $from != $own;
			print $first >> 4, " $next ", $port == $ARGV[0] ? "same" : $port, "\n";
			exit;
		}' "$port"
	[ "$output" = "6 17 same" ] || { echo "$output"; false; }
}

@test "who may not send ICMP forwards as well" {
	wrap=(setpriv --bounding-set=-net_raw --inh-caps=-net_raw)
	udp_start
	wrap=()
	clients_start 3
	asked clients "ping 300" "answered 0, silent 3, refused 0"
	echo_start
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
}

@test "without the ICMP child it forwards as well, and one warning says so" {
	need_root
	# the forwarder's only child: there is no walker
	udp_start --datapath splice
	clients_start 3
	asked clients "ping 3000" "answered 0, silent 3, refused 3"
	forwarder=$(pid_of @forwarder)
	child=$(cat /proc/"$forwarder"/task/*/children)
	# nobody waits for it
	kill -STOP $child
	asked clients "ping 300" "answered 0, silent 3, refused 0"
	kill -KILL $child
	eventually 5 test ! -e "/proc/${child% }/exe"
	for i in 1 2; do
		asked clients "ping 300" "answered 0, silent 3, refused 0"
	done
	echo_start
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
	[ "$(grep -c 'process that tells UDP clients of closed ports is gone' "$dir/portshunt.err")" = 1 ]
	# and it is reaped
	[ "$(cat /proc/"$forwarder"/task/*/children)" = "" ]
}

@test "a server that has stopped does not delay another port's clients" {
	udp_start -p 7001/udp
	echo_start
	published 7001 udp
	peer_start stopped server udp-echo --netns "$ns" --port 7001 --control
	kill -STOP "${peer_pid[stopped]}"
	peer_start flood client udp-hold --connections 50 127.0.0.1 "$port"
	peer_read flood
	published 7000 udp
	clients_start 5
	for i in {1..20}; do
		asked flood send "sent 50"
		asked clients "ping 2000" "answered 5, silent 0, refused 0"
	done
	kill -CONT "${peer_pid[stopped]}"
}

@test "SIGTERM: status 0 and nothing left" {
	udp_start
	echo_start
	clients_start 10
	asked clients "ping 2000" "answered 10, silent 0, refused 0"
	portshunt_stop
	[ "$status" = 0 ]
	[ "$(sessions)" = 0 ]
	not_listening "$port"
	# natively, nobody is there any more
	peer_ask clients "ping 100"
	[[ $line == "answered 0, silent 10, refused "* ]]
}

@test "SIGKILL of any process leaves nothing" {
	for victim in @forwarder @netns attach; do
		udp_start
		echo_start
		clients_start 3
		asked clients "ping 2000" "answered 3, silent 0, refused 0"
		kill -KILL $(pid_of $victim)
		eventually 5 pid_ended "$portshunt_pid"
		wait "$portshunt_pid" || true
		portshunt_pid=
		eventually 3 nothing_runs
		# it has no exe any more before its sockets are closed
		eventually 3 sessions_are 0
		eventually 3 not_listening "$port"
		peer_kill clients
		peer_kill server
	done
}

fails_with() {
	local want=$1

	shift
	netns_make
	run "$PORTSHUNT" attach --netns "$ns" --child-ip 127.0.0.1 "$@"
	[ "$status" = 125 ]
	[[ $output == $want ]] || { echo "$output"; return 1; }
}

@test "a busy port, a port given twice, and sctp" {
	free_port
	socket=$port
	peer_start busy server udp-echo --control -4 --bind 127.0.0.1 --port "$socket"
	fails_with "portshunt: listen udp 127.0.0.1:$socket: bind: address already in use: * has 127.0.0.1:$socket; *" \
		-p "127.0.0.1:$socket:80/udp"
	fails_with "portshunt: listen udp 127.0.0.1:$socket: bind: address already in use: *" \
		-p "127.0.0.1:$socket:80/tcp,udp"
	fails_with '*unsupported protocol "sctp"; use tcp, udp or tcp,udp' -p 80/sctp
	fails_with '*an earlier -p has the same host port' -p 9000:80/udp -p 9000:81/tcp,udp
}
