# SPDX-License-Identifier: Apache-2.0
# Servers that answer from another port than the one that was asked, as TFTP's do.

load lib
load udp_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() {
	server_stop
	e2e_teardown
}
teardown_file() { e2e_teardown_file; }

server_stop() {
	[ -z "${server:-}" ] || { kill "$server"; wait "$server" || true; }
	server=
}

# answerer_start FAMILY - a server at port 7000 of the namespace that answers each "open" from a
# socket of its own, which goes on answering until it gets "close". "address" is answered from
# another address and then from another port.
answerer_start() {
	local at

	loopback "$1"
	perl -MSocket=:all -e '
		my ($ns, $family, $at, $ready) = @ARGV;
		open(my $n, "<", $ns) or die $!;
		syscall(308, fileno($n), 0) == 0 or die "setns: $!";
		my $domain = $family == 6 ? AF_INET6 : AF_INET;
		sub bound {
			my ($addr, $port) = @_;
			socket(my $s, $domain, SOCK_DGRAM, 0) or die $!;
			my $a = inet_pton($domain, $addr);
			bind($s, $family == 6 ? pack_sockaddr_in6($port, $a) :
				pack_sockaddr_in($port, $a)) or die "bind: $!";
			return $s;
		}
		my $listener = bound($at, 7000);
		my @open;
		open(my $f, ">", $ready) or die $!;
		close $f;
		while (1) {
			my $in = "";
			vec($in, fileno($_), 1) = 1 for $listener, @open;
			select($in, undef, undef, undef);
			for my $s (grep { vec($in, fileno($_), 1) } $listener, @open) {
				my $from = recv($s, my $text, 65536, 0);
				next unless defined $from;
				if ($text eq "close") {
					@open = grep { $_ != $s } @open;
					close $s;
					open(my $f, ">", "$ready.closed") or die $!;
					next;
				}
				if ($text eq "address") {
					send(bound("127.0.0.2", 7000), "spoofed", 0, $from);
				}
				my $by = $s;
				if ($s == $listener && $text ne "here") {
					$by = bound($at, 0);
					push @open, $by;
				}
				send($by, "$text ok", 0, $from);
			}
		}' "$ns" "$1" "$at" "$dir/bound" 3>&- &
	server=$!
	eventually 5 test -e "$dir/bound"
}

# client FAMILY TEXT ANSWER... - one socket that sends each TEXT in turn to the published port
# and has to hear ANSWER from it; "-": nothing is waited for, and a path: until that exists.
client() {
	local at family=$1

	shift
	loopback "$family"
	perl -MSocket=:all -e '
		my ($family, $at, $port, @words) = @ARGV;
		my $domain = $family == 6 ? AF_INET6 : AF_INET;
		my $a = inet_pton($domain, $at);
		my $to = $family == 6 ? pack_sockaddr_in6($port, $a) : pack_sockaddr_in($port, $a);
		socket(my $s, $domain, SOCK_DGRAM, 0) or die $!;
		while (my ($text, $answer) = splice(@words, 0, 2)) {
			send($s, $text, 0, $to) or die "$text: $!";
			next if $answer eq "-";
			if ($answer =~ m{^/}) {
				for (my $i = 0; !-e $answer; $i++) {
					die "no $answer\n" if $i > 500;
					select(undef, undef, undef, 0.01);
				}
				next;
			}
			my $in = "";
			vec($in, fileno($s), 1) = 1;
			select($in, undef, undef, 5) or die "$text: no answer\n";
			my $from = recv($s, my $got, 65536, 0) // die "$text: $!";
			$got eq $answer or die "$text: $got\n";
			my $from_port = $family == 6 ? (unpack_sockaddr_in6($from))[0] :
				(unpack_sockaddr_in($from))[0];
			$from_port == $port or die "$text: from port $from_port\n";
		}' "$family" "$at" "$port" "$@"
}

@test "an answer from another port arrives from the published one, and the client goes on there" {
	udp_start
	for family in "${families[@]}"; do
		answerer_start "$family"
		client "$family" open "open ok" more "more ok" even "even ok"
		# all of them went to one socket, and so by one session
		[ "$(sessions_elsewhere)" = 1 ]
		server_stop
		rm "$dir/bound"
		portshunt_stop TERM
		udp_start
	done
}

# sessions_elsewhere - how many sockets are connected to other ports than the published one
sessions_elsewhere() {
	nsenter --net="$ns" ss -Hun "dport != :7000 and dport != :0" | wc -l
}

@test "an answer from the published port keeps the session there" {
	udp_start
	answerer_start 4
	client 4 here "here ok" here "here ok" here "here ok"
	[ "$(sessions_elsewhere)" = 0 ]
	[ "$(nsenter --net="$ns" ss -Hun "dport = :7000" | wc -l)" = 1 ]
}

@test "when the other port is closed the client speaks to the published one again" {
	udp_start
	answerer_start 4
	client 4 open "open ok" more "more ok" close "$dir/bound.closed" open "open ok" more "more ok"
}

@test "what another address sends is not an answer" {
	udp_start
	answerer_start 4
	client 4 address "address ok" more "more ok"
}

@test "a client that nobody answers costs a route lookup for its first datagrams only" {
	udp_start
	# bound and silent, so that nothing is refused
	nsenter --net="$ns" perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		bind($s, sockaddr_in(7000, INADDR_ANY)) or die $!;
		open(my $ready, ">", $ARGV[0]) or die $!;
		close $ready;
		sleep 600' "$dir/bound" 3>&- &
	server=$!
	eventually 5 test -e "$dir/bound"
	settled() { [ "$(nsenter --net="$ns" ss -Hun "dport = :7000" | wc -l)" = "$1" ]; }
	perl -MSocket -e '
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		bind($s, sockaddr_in($ARGV[1], INADDR_LOOPBACK)) or die $!;
		send($s, "a", 0, sockaddr_in($ARGV[0], INADDR_LOOPBACK))' "$port" 0
	eventually 5 sessions_are 1
	settled 0
	client 4 $(printf 'a - %.0s' {1..1000})
	eventually 5 settled 1
}

@test "TFTP: files arrive, and one client may get several" {
	command -v in.tftpd tftp || skip "no tftpd-hpa and tftp-hpa"
	udp_start -p 69/udp
	published 69 udp
	mkdir "$dir/files"
	chmod 755 "$dir/files"
	head -c 700000 /dev/urandom >"$dir/files/a"
	head -c 1024 /dev/urandom >"$dir/files/b"
	nsenter --net="$ns" in.tftpd --foreground --ipv4 --user nobody \
		--secure "$dir/files" 3>&- &
	server=$!
	bound() { nsenter --net="$ns" ss -Huln "sport = :69" | grep -q .; }
	eventually 5 bound
	cd "$dir"
	timeout 60 tftp -m octet 127.0.0.1 "$port" <<<$'get a\nget b\nget a c\nquit'
	cmp a files/a
	cmp b files/b
	cmp c files/a
}
