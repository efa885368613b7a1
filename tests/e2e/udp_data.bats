# SPDX-License-Identifier: Apache-2.0
# Datagrams arrive as they were sent: size, bytes, boundaries, order, addresses.

load lib
load udp_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# sweep COUNT CLIENT_ARG... - all of COUNT datagrams are echoed as they were
sweep() {
	local count=$1

	shift
	peer_start client client udp-echo "$@"
	peer_wait client
	[ "$output" = "echoed: $count, wrong: 0, lost: 0, refused: 0" ] || { echo "$output"; false; }
	[ "$status" = 0 ]
}

@test "every size from 0 to 65507 is echoed as it was sent" {
	udp_start
	echo_start
	sweep 65508 --write-size 0-65507 127.0.0.1 "$port"
	[ "${#families[@]}" = 1 ] || sweep 657 --write-size 0-65507 --step 100 ::1 "$port"
}

@test "a container of one family, clients of both" {
	has_ipv6 || skip "this host has no IPv6"
	for child in 127.0.0.1 ::1; do
		netns_make
		portshunt_start attach --netns "$ns" -p 7000/udp --child-ip $child
		published 7000 udp
		echo_start
		for at in 127.0.0.1 ::1; do
			sweep 67 --write-size 0-65507 --step 1000 $at "$port"
		done
		peer_kill server
		portshunt_stop
	done
}

@test "the reply comes from the address that was sent to" {
	udp_start
	echo_start
	# the peer's sockets are connected: from another address they take nothing
	for at in 127.0.0.1 127.0.0.2 127.99.0.1; do
		sweep 3 --write-size 1-3 $at "$port"
	done
	netns_veth 1
	for at in "$host4" "$host6"; do
		sweep 3 --write-size 1-3 "$at" "$port"
	done
	peer_start client client udp-echo --write-size 1-3 --netns "$ns" "$host4" "$port"
	peer_wait client
	[ "$status" = 0 ]
	peer_start client client udp-echo --write-size 1-3 --netns "$ns" "$host6" "$port"
	peer_wait client
	[ "$status" = 0 ]
}

@test "one client that sends to two addresses is two clients to the container" {
	udp_start
	echo_start
	perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		for my $to ("127.0.0.1", "127.0.0.2", "127.0.0.1") {
			send($s, $to, 0, sockaddr_in($ARGV[0], inet_aton($to))) or die $!;
			my $from = recv($s, my $text, 100, 0) or die $!;
			die "the echo of $to came from elsewhere"
				unless inet_ntoa((sockaddr_in($from))[1]) eq $to && $text eq $to;
		}' "$port"
	asked server status "clients: 2, received: 3"
}

# bursts DIRECTION SIZE [ADDR PEER_OPTION...] - what arrives is whole and in order. Some may be
# lost: it is a flood.
bursts() {
	local direction=$1 size=$2

	shift 2
	peer_start flood client udp ${direction/up/} --write-size "$size" --seconds 0.3 \
		"${1:-127.0.0.1}" "$port" "${@:2}"
	peer_wait flood
	[ "$status" = 0 ]
	[[ $output =~ \ count=([0-9]+)\ .*\ disorder=0\ wrong=0\  ]] || { echo "$output"; false; }
	[ "${BASH_REMATCH[1]}" -gt 100 ]
}

@test "floods keep their boundaries and their order, both ways" {
	udp_start
	peer_start server server bench --netns "$ns" --port 7000 --control
	for size in 40 64 1372 8972 40000 65507; do
		bursts up $size
		bursts --down $size
	done
}

@test "floods to and from elsewhere, larger than the MTU: fragments, but no bursts of them" {
	udp_start
	peer_start server server bench --netns "$ns" --port 7000 --control
	netns_make
	netns_veth 2
	for at in "$host4" "$host6"; do
		for size in 1400 3000 1400; do
			bursts up $size "$at" --netns "$ns"
			bursts --down $size "$at" --netns "$ns"
		done
	done
}

@test "a burst of datagrams that the way to the client has to fragment: none is lost" {
	udp_start
	nsenter --net="$ns" perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		bind($s, sockaddr_in(7000, INADDR_ANY)) or die $!;
		setsockopt($s, 17, 103, pack("i", 3000)) or die "UDP_SEGMENT: $!";
		open(my $ready, ">", $ARGV[0]) or die $!;
		close $ready;
		while (my $from = recv($s, my $text, 100, 0)) {
			send($s, join("", map { chr(65 + $_) x 3000 } 0 .. 9), 0, $from) or die $!;
		}' "$dir/bound" 3>&- &
	server=$!
	eventually 5 test -e "$dir/bound"
	netns_make
	netns_veth 2
	# the second round knows that the way takes no bursts of these
	nsenter --net="$ns" timeout 20 perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		connect($s, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) or die $!;
		for (1, 2) {
			send($s, "go", 0) or die $!;
			for my $i (0 .. 9) {
				recv($s, my $got, 70000, 0);
				die "datagram $i: ", length $got unless $got eq chr(65 + $i) x 3000;
			}
		}' "$host4" "$port"
	kill $server
	wait $server || true
}

@test "sizes that change within a burst, empty datagrams among them" {
	udp_start
	echo_start --rcvbuf 2m
	perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		setsockopt($s, SOL_SOCKET, SO_RCVBUF, 1 << 20) or die $!;
		connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die $!;
		my @sizes = (10, 10, 10, 4, 0, 0, 7, 7, 9, 7, 7, 1400, 1400, 1399, 1400, 0, 1, 3000, 2);
		my @texts = map { my $i = $_; join "", map { chr(($i * 31 + $_) % 256) } 1 .. $sizes[$i] } 0 .. $#sizes;
		for my $round (1 .. 20) {
			for (@texts) { defined send($s, $_, 0) or die $! }
			for my $i (0 .. $#texts) {
				recv($s, my $got, 70000, 0);
				die "round $round, datagram $i: ", length $got, " bytes" unless $got eq $texts[$i];
			}
		}' "$port"
}

@test "bursts that the sender hands over in one piece arrive as single datagrams" {
	udp_start
	echo_start --rcvbuf 2m
	perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		setsockopt($s, SOL_SOCKET, SO_RCVBUF, 1 << 20) or die $!;
		setsockopt($s, 17, 103, pack("i", 500)) or die "UDP_SEGMENT: $!";
		connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die $!;
		for my $round (1 .. 10) {
			my $text = join "", map { chr(($_ + $round) % 251) } 1 .. 20300;
			send($s, $text, 0) or die $!;
			for (my $at = 0; $at < 20300; $at += 500) {
				recv($s, my $got, 70000, 0);
				die "round $round at $at: ", length $got unless $got eq substr($text, $at, 500);
			}
		}' "$port"
	asked server status "clients: 1, received: 410"
}

@test "tcp,udp: one free port for both; a range, and each port to its own" {
	netns_make
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 -p 7000/tcp,udp -p 7100-7102/udp
	published 7000
	tcp=$port
	published 7000 udp
	[ "$port" = "$tcp" ]
	grep -qx "7000/udp -> 0\.0\.0\.0:$port" "$dir/portshunt.err"
	echo_start
	sweep 5 --write-size 1-5 127.0.0.1 "$port"
	peer_start tcp-server server echo --netns "$ns" --port 7000
	peer_start tcp-client client echo --bytes 1m 127.0.0.1 "$port"
	peer_wait tcp-client
	[ "$status" = 0 ]
	peer_wait tcp-server
	published 7100 udp
	first=$port
	published 7102 udp
	[ "$port" = $((first + 2)) ]
	peer_start other server udp-echo --control --netns "$ns" --port 7102
	sweep 3 --write-size 1-3 127.0.0.1 "$port"
	asked other status "clients: 1, received: 3"
}

@test "run, as an ordinary user" {
	user_need
	wrap=("${user_wrap[@]}")
	portshunt_start run -p 7000/tcp,udp -- "$PEER" server udp-echo --port 7000
	wrap=()
	published 7000 udp
	# COMMAND has only begun when all is ready: the first datagrams may find nobody
	answers() {
		"$PEER" client udp-echo --write-size 5 127.0.0.1 "$port" >"$dir/out"
	}
	eventually 20 answers
	sweep 67 --write-size 0-65507 --step 1000 127.0.0.1 "$port"
	! has_ipv6 || sweep 67 --write-size 0-65507 --step 1000 ::1 "$port"
}
