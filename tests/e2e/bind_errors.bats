# SPDX-License-Identifier: Apache-2.0
# An error of bind(2) names the socket that has the port, and its process where that can be known.
# All of it happens in a namespace of its own.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
setup() {
	control_setup
	netns_make host
	wrap=(nsenter --net="$ns")
	netns_make
}
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# hold KIND FAMILY ADDRESS PORT [V6ONLY] - $holder is the pid of a process that has such a socket:
# of KIND tcp or udp; "bound" TCP does not listen, "connected" TCP goes to $to instead
hold() {
	rm -f "$dir/held"
	(
		children_close_fds
		exec "${wrap[@]}" perl -MSocket=:all -e '
			my ($ready, $kind, $family, $addr, $port, $only, $to) = @ARGV;
			my $v6 = $family == 6;
			sub at { $v6 ? pack_sockaddr_in6($_[1], inet_pton(AF_INET6, $_[0])) :
				pack_sockaddr_in($_[1], inet_aton($_[0])) }
			socket(my $s, $v6 ? AF_INET6 : AF_INET,
				$kind eq "udp" ? SOCK_DGRAM : SOCK_STREAM, 0) or die $!;
			setsockopt($s, IPPROTO_IPV6, IPV6_V6ONLY, $only + 0) if $v6;
			bind($s, at($addr, $port)) or die $!;
			listen($s, 5) or die $! if $kind eq "tcp";
			connect($s, at("127.0.0.1", $to)) or die $! if $kind eq "connected";
			open(my $f, ">", $ready) or die $!;
			close $f;
			sleep 600' "$dir/held" "$1" "$2" "$3" "$4" "${5:-0}" "${to:-0}"
	) &
	holder=$!
	eventually 5 test -e "$dir/held"
}

released() {
	kill "$holder"
	wait "$holder" || true
}

# fails TEXT SPEC - attach does, in a second, with that one line
fails() {
	local from=${EPOCHREALTIME/./} status=0 output

	output=$("${wrap[@]}" "$PORTSHUNT" attach --netns "$ns" -p "$2" 2>&1 </dev/null 3>&-) || status=$?
	[ "$status" = 125 ] && [ "$output" = "portshunt: $1" ] &&
		[ $(((${EPOCHREALTIME/./} - from) / 1000)) -lt $((1500 * ${PATIENCE:-1})) ] && return
	printf '%s: status %s: %s\nexpected: %s\n' "$2" "$status" "$output" "$1"
	return 1
}

@test "a listener of one IPv6 address or of IPv6 only leaves IPv4 unnamed" {
	has_ipv6 || skip "this host has no IPv6"
	hold tcp 6 ::1 8080
	fails "listen tcp [::]:8080: bind: address already in use: perl (process $holder) listens on [::1]:8080; take another port" 8080:80
	fails "listen tcp [::1]:8080: bind: address already in use: perl (process $holder) listens on [::1]:8080; take another port" '[::1]:8080:80'
	released
	hold tcp 6 :: 8080 1
	fails "listen tcp [::]:8080: bind: address already in use: perl (process $holder) listens on [::]:8080, IPv6 only; take another port" 8080:80
	# IPv4 is free indeed
	portshunt_start attach --netns "$ns" -p 0.0.0.0:8080:80
	portshunt_stop TERM
	released
}

@test "a listener of IPv4, of both families, of UDP, and a socket that does not listen" {
	hold tcp 4 127.0.0.1 8080
	fails "listen tcp 0.0.0.0:8080: bind: address already in use: perl (process $holder) listens on 127.0.0.1:8080; take another port" 8080:80
	released
	hold bound 4 127.0.0.1 8080
	[[ $(uname -r) =~ ^([0-9]+)\.([0-9]+) ]]
	# since then the kernel lists these
	if [ $((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2])) -ge 6008 ]; then
		fails "listen tcp 0.0.0.0:8080: bind: address already in use: perl (process $holder) has 127.0.0.1:8080; take another port" 8080:80
	else
		fails "listen tcp 0.0.0.0:8080: bind: address already in use: take another port, or see \`ss -tanp 'sport = :8080'\`, as root, for what has it" 8080:80
	fi
	released
	hold udp 4 127.0.0.1 8080
	fails "listen udp 0.0.0.0:8080: bind: address already in use: perl (process $holder) has 127.0.0.1:8080; take another port" 8080:80/udp
	released
	has_ipv6 || return 0
	hold tcp 6 :: 8080
	fails "listen tcp 127.0.0.1:8080: bind: address already in use: perl (process $holder) listens on [::]:8080; take another port" 127.0.0.1:8080:80
	released
}

@test "a connection from that port is said to be one" {
	httpd 127.0.0.1:80 "${wrap[1]#--net=}"
	to=80
	hold connected 4 127.0.0.1 8080
	fails "listen tcp 0.0.0.0:8080: bind: address already in use: perl (process $holder) has a connection from 127.0.0.1:8080 to 127.0.0.1:80; take another port" 8080:80
	released
}

@test "where the process cannot be known the line has the command that shows it" {
	control_start
	hold tcp 4 127.0.0.1 8080
	# once it is started portshunt may not look at processes any more
	refused "listen tcp 0.0.0.0:8080: bind: address already in use: a process of user id 0 listens on 127.0.0.1:8080; take another port, or see \`ss -tanp 'sport = :8080'\`, as root, for the process" add 8080:80
	[[ $("${wrap[@]}" ss -tanp 'sport = :8080') == *"pid=$holder,"* ]]
	added 8081:80
	released
}

@test "among hundreds of connections the listener is found" {
	(
		children_close_fds
		exec "${wrap[@]}" perl -MSocket -e '
			socket(my $l, AF_INET, SOCK_STREAM, 0) or die $!;
			bind($l, sockaddr_in(8080, INADDR_LOOPBACK)) or die $!;
			listen($l, 4096) or die $!;
			my @all;
			for (1 .. 400) {
				socket(my $s, AF_INET, SOCK_STREAM, 0) or die $!;
				connect($s, sockaddr_in(8080, INADDR_LOOPBACK)) or die $!;
				push @all, $s;
			}
			open(my $f, ">", $ARGV[0]) or die $!;
			close $f;
			sleep 600' "$dir/held"
	) &
	holder=$!
	eventually 10 test -e "$dir/held"
	fails "listen tcp 127.0.0.1:8080: bind: address already in use: perl (process $holder) listens on 127.0.0.1:8080; take another port" 127.0.0.1:8080:80
	released
}
