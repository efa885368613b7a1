# SPDX-License-Identifier: Apache-2.0
# portshunt attach publishes ports of a namespace that exists: how it is found and entered,
# and which of its addresses is reached.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

@test "a page by --netns PATH, over IPv4 and IPv6: there from the first moment" {
	netns_make
	httpd 80 "$ns"
	portshunt_start attach --netns "$ns" -p 80 -p 127.0.0.1::80
	published 80
	pages "$port"
	said "the container's address is 127.0.0.1, of interface lo"
	portshunt_stop TERM
	[ "$status" = 0 ]
	all_gone
	not listening "$port"
}

# inside USER_WORDS... - a process in a new user and network namespace, made by that user;
# sets $pid
inside() {
	rm -f "$dir/inside"
	mkfifo -m 666 "$dir/inside"
	(
		children_close_fds
		exec "$@" unshare --user --map-root-user --net sh -c '
			ip link set lo up
			echo up >"$1"
			exec busybox httpd -f -p 80 -h "$2"' - "$dir/inside" "$dir/www"
	) &
	pid=$!
	ends_with_test+=($pid)
	read -r -t 10 <"$dir/inside"
	eventually 5 inside_listens
}

inside_listens() {
	grep -qs ':0050 .* 0A ' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6"
}

serves_by_pid_and_path() {
	portshunt_start attach --pid "$pid" -p 80
	published 80
	pages "$port"
	portshunt_stop TERM
	[ "$status" = 0 ]
	all_gone
	portshunt_start attach --netns "/proc/$pid/ns/net" -p 80
	published 80
	pages "$port"
	portshunt_stop TERM
	[ "$status" = 0 ]
	all_gone
}

@test "a page by --pid PID; PID's end is ours, 0" {
	inside
	portshunt_start attach --pid "$pid" -p 80
	published 80
	pages "$port"
	kill -KILL "$pid"
	finish
	[ "$status" = 0 ]
	soon
	said "process $pid ended"
	all_gone
	not listening "$port"
}

@test "root attaches to a namespace that an ordinary user owns" {
	as user
	inside "${wrap[@]}"
	wrap=()
	serves_by_pid_and_path
}

@test "an ordinary user attaches to a namespace of its own" {
	as user
	inside "${wrap[@]}"
	serves_by_pid_and_path
}

@test "an ordinary user attaches to what its own portshunt run made" {
	as user
	"${wrap[@]}" "$PORTSHUNT" run --network none -- sh -c \
		"echo up >$dir/up; exec busybox httpd -f -p 80 -h $dir/www" 3>&- 2>/dev/null &
	ends_with_test+=($!)
	eventually 10 test -s "$dir/up"
	eventually 5 process_marked busybox # it was the shell that said so
	eventually 5 inside_listens
	portshunt_start attach --pid "$pid" -p 80
	published 80
	pages "$port"
	portshunt_stop TERM
}

@test "not to another user's: one line, 125" {
	as user
	netns_make
	run -125 as_user "$PORTSHUNT" attach --netns "$ns" -p 80
	[ "$output" = "portshunt: cannot enter the network namespace: it belongs to another user: operation not permitted" ]
	sleep 60 3>&- &
	ends_with_test+=($!)
	run -125 as_user "$PORTSHUNT" attach --pid $! -p 80
	[ "$output" = "portshunt: cannot open the network namespace /proc/$!/ns/net: permission denied" ]
	all_gone
}

@test "the child address: first the IPv4 of an interface that is not loopback" {
	netns_make veth
	netns_veth veth
	httpd "$child4:80" "$ns"
	portshunt_start attach --netns "$ns" -p 80
	published 80
	said "the container's address is $child4, of interface eth0"
	pages "$port"
}

second_interface() {
	ip -n "$(basename "$ns")" link add second type veth peer name third
	ip -n "$(basename "$ns")" link set second up
	ip -n "$(basename "$ns")" link set third up
}

@test "the child address: else the last IPv6" {
	netns_make veth
	netns_veth veth
	ip -n "$(basename "$ns")" addr del "$child4/24" dev eth0
	ip -n "$(basename "$ns")" addr add fd77::1/64 dev eth0 nodad
	second_interface
	ip -n "$(basename "$ns")" addr add fd78::1/64 dev second nodad
	httpd "[fd78::1]:80" "$ns"
	portshunt_start attach --netns "$ns" -p 80
	published 80
	said "the container's address is fd78::1, of interface second"
	pages "$port"
}

@test "the child address: a link-local IPv6 is none, nor are those of loopback" {
	netns_make
	second_interface
	ip -n "$(basename "$ns")" addr add 127.9.9.9/8 dev lo
	eventually 5 has_link_local
	httpd "127.0.0.1:80" "$ns"
	portshunt_start attach --netns "$ns" -p 80
	published 80
	said "the container's address is 127.0.0.1, of interface lo"
	pages "$port"
}

has_link_local() {
	[ -n "$(ip -n "$(basename "$ns")" -6 -oneline addr show dev second scope link -tentative)" ]
}

@test "the server sees the child address as its peer, a stranger is no loopback" {
	netns_make veth
	netns_veth veth
	cat >"$dir/who" <<-'END'
		use IO::Socket::INET;
		$s = IO::Socket::INET->new(Listen => 5, LocalPort => 80, ReuseAddr => 1) or die $@;
		print "up\n";
		close STDOUT;
		while ($c = $s->accept) { print $c $c->peerhost; close $c }
	END
	mkfifo "$dir/up"
	(
		children_close_fds
		exec nsenter --net="$ns" perl "$dir/who" >"$dir/up"
	) &
	ends_with_test+=($!)
	read -r <"$dir/up"
	portshunt_start attach --netns "$ns" -p 80
	published 80
	[ "$(cat <"/dev/tcp/127.0.0.1/$port")" = "$child4" ]
}

@test "--child-ip: that one, once a family" {
	netns_make veth
	netns_veth veth
	mkdir "$dir/www6"
	echo six >"$dir/www6/index.html"
	httpd "127.0.0.1:80" "$ns"
	nsenter --net="$ns" busybox httpd -f -p "[$child6]:80" -h "$dir/www6" 3>&- &
	ends_with_test+=($!)
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --child-ip "$child6" -p 80
	published 80
	page "http://127.0.0.1:$port/"
	six() { [ "$(timeout 5 busybox wget -q -O - "http://[::1]:$port/")" = six ]; }
	! has_ipv6 || eventually 5 six
	not grep -q "the container's address" "$dir/portshunt.err"
}

@test "a container of one family has clients of both" {
	has_ipv6 || skip "this host has no IPv6"
	netns_make
	httpd "127.0.0.1:80" "$ns"
	httpd "[::1]:81" "$ns"
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 -p 80
	published 80
	pages "$port"
	portshunt_stop TERM
	portshunt_start attach --netns "$ns" --child-ip ::1 -p 81
	published 81
	pages "$port"
}

@test "a host address of either family is that alone" {
	has_ipv6 || skip "this host has no IPv6"
	netns_make
	httpd 80 "$ns"
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 -p "[::1]::80"
	published 80
	page "http://[::1]:$port/"
	not page "http://127.0.0.1:$port/"
	portshunt_stop TERM
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 -p 127.0.0.5::80
	published 80
	page "http://127.0.0.5:$port/"
	not page "http://127.0.0.1:$port/"
	not page "http://[::1]:$port/"
}

@test "two of them to one namespace, and one port for one of them" {
	netns_make
	httpd 80 "$ns"
	free_port
	"$PORTSHUNT" attach --netns "$ns" -p "$port:80" 2>"$dir/first.err" 3>&- &
	first=$!
	ends_with_test+=($first)
	eventually 5 page "http://127.0.0.1:$port/"
	run -125 "$PORTSHUNT" attach --netns "$ns" -p "$port:80"
	[[ $output == "portshunt: listen tcp 0.0.0.0:$port: bind: address already in use: "*" (process "*") listens on [::]:$port; take another port" ]]
	other=$port
	portshunt_start attach --netns "$ns" -p 80
	published 80
	pages "$port"
	portshunt_stop TERM
	pages "$other"
	kill $first
	wait $first
}

@test "started again at once on the same port, with connections of before" {
	netns_make
	httpd 80 "$ns"
	free_port
	for i in 1 2 3; do
		portshunt_start attach --netns "$ns" -p "$port:80"
		exec {connection}<>"/dev/tcp/127.0.0.1/$port"
		page "http://127.0.0.1:$port/"
		portshunt_stop TERM
		exec {connection}>&-
	done
}

@test "--pid --network slirp4netns: the process-first form" {
	as user
	inside "${wrap[@]}"
	portshunt_start attach --pid "$pid" --network slirp4netns --tmpdir "$tmpdir" -p 80
	published 80
	pages "$port"
	grep -q tap0 "/proc/$pid/net/dev"
	said "1 port published to 10.0.2.100"
	kill -KILL "$pid"
	finish
	[ "$status" = 0 ]
	all_gone
}

@test "--netns --network slirp4netns" {
	netns_make
	httpd 80 "$ns"
	portshunt_start attach --netns "$ns" --network slirp4netns --tmpdir "$tmpdir" -p 80
	published 80
	pages "$port"
	[ "$(nsenter --net="$ns" cat /proc/sys/net/ipv6/conf/default/accept_dad)" = 1 ]
	portshunt_stop TERM
	[ "$status" = 0 ]
	all_gone
	not nsenter --net="$ns" ip link show dev tap0
}

@test "a namespace that lost its name lives on with us" {
	netns_make gone
	httpd 80 "$ns"
	portshunt_start attach --netns "$ns" -p 80
	published 80
	umount -l "$ns"
	rm "$ns"
	pages "$port"
	touch "$ns" # for the end of the test
}

@test "no port at all is no mistake" {
	netns_make
	portshunt_start attach --netns "$ns"
	portshunt_stop TERM
	[ "$status" = 0 ]
}

@test "the namespace that portshunt itself is in: a warning, and a page from another port" {
	netns_make
	httpd 80 "$ns"
	portshunt_start attach --netns "$ns" -p 80
	published 80
	not said "leads back to itself"
	portshunt_stop TERM
	wrap=(ip netns exec "$(basename "$ns")")
	portshunt_start attach --netns "$ns" -p 80
	said "this network namespace is the one that portshunt is in: its ports are on this host already"
	published 80
	[ "$("${wrap[@]}" busybox wget -q -O - "http://127.0.0.1:$port/")" = "a page" ]
}
