# SPDX-License-Identifier: Apache-2.0
# The families of the container: a server that listens on one of them alone is found, by the
# clients of both.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load rootlessport_lib

setup_file() { e2e_setup_file; }
setup() {
	rootlessport_setup
	has_ipv6 || skip "this host has no IPv6"
	netns_make
	# [::] is IPv6 alone there
	nsenter --net="$ns" sysctl -qw net.ipv6.bindv6only=1
	name=${ns##*/}
}
teardown() { rootlessport_teardown; }
teardown_file() { e2e_teardown_file; }

# veth - the container has $child4 and $child6, as one of Docker has
veth() {
	netns_veth "${name#"pstest-$$-"}"
}

# fresh OPTION... - attach that has not seen the server yet; sets $port
fresh() {
	[ -z "$portshunt_pid" ] || portshunt_stop
	portshunt_start attach --netns "$ns" -p 80 "$@"
	published 80
}

# reached OPTION... - by clients of either family as the first ones, and by those after them
reached() {
	fresh "$@"
	page "http://127.0.0.1:$port/"
	pages "$port"
	fresh "$@"
	page "http://[::1]:$port/"
	pages "$port"
}

@test "attach: a server of one family, in a container that has both" {
	veth
	httpd "[::]:80" "$ns"
	reached
	said "the container's address is $child4, of interface eth0"
	said "where $child4 refuses a connection, $child6 of interface eth0 is tried"
	said "1 port published to $child4"
	kill "${ends_with_test[0]}"
	eventually 5 not listening 80 "$ns"
	httpd "0.0.0.0:80" "$ns"
	reached
}

@test "attach --child-ip, both: a server of one family" {
	veth
	httpd "[::]:80" "$ns"
	reached --child-ip "$child4" --child-ip "$child6"
	kill "${ends_with_test[0]}"
	eventually 5 not listening 80 "$ns"
	httpd "0.0.0.0:80" "$ns"
	reached --child-ip "$child4" --child-ip "$child6"
}

@test "attach --child-ip, one: it comes first, the other one is found" {
	veth
	mkdir "$dir/www6"
	echo six >"$dir/www6/index.html"
	nsenter --net="$ns" busybox httpd -f -p "[::]:80" -h "$dir/www6" 3>&- &
	ends_with_test+=($!)
	eventually 5 listening 80 "$ns"
	fresh --child-ip "$child4"
	six() { [ "$(timeout 5 busybox wget -q -O - "http://$1:$port/")" = six ]; }
	six 127.0.0.1
	six "[::1]"
	httpd "0.0.0.0:80" "$ns"
	fresh --child-ip "$child4"
	pages "$port"
	fresh --child-ip "$child6"
	six 127.0.0.1
	six "[::1]"
}

@test "attach: lo is the other address of lo alone" {
	httpd "[::1]:80" "$ns"
	reached --child-ip 127.0.0.1
	reached
	portshunt_stop
	# a server that trusts lo is not for strangers
	veth
	fresh
	not page "http://127.0.0.1:$port/"
	not page "http://[::1]:$port/"
	portshunt_stop
	# nor is an address of ours beside that of another machine
	fresh --child-ip "$host4" --log-level debug
	not grep -q "refuses a connection" "$dir/portshunt.err"
}

@test "run: a server of one family" {
	local listen

	for listen in "[::]:80" "0.0.0.0:80"; do
		[ -z "$portshunt_pid" ] || portshunt_stop
		portshunt_start run --network none -p 80 -- sh -c "
			echo 1 >/proc/sys/net/ipv6/bindv6only
			exec busybox httpd -f -p $listen -h $dir/www"
		published 80
		eventually 5 page "http://127.0.0.1:$port/"
		pages "$port"
	done
}

@test "run with slirp4netns: a server of IPv6 alone" {
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	portshunt_start run --tmpdir "$tmpdir" -p 80 -- sh -c "
		echo 1 >/proc/sys/net/ipv6/bindv6only
		exec busybox httpd -f -p [::]:80 -h $dir/www"
	published 80
	said "where 10.0.2.100 refuses a connection, fd00:"
	eventually 5 page "http://127.0.0.1:$port/"
	pages "$port"
}

@test "rootlessport: a server of IPv6 alone beside an IPv4 ChildIP, also after a reload" {
	veth
	ip -n "$name" addr add 10.9.9.9/32 dev eth0
	httpd "[::]:80" "$ns"
	free_port
	published_ports+=("$port")
	config ",\"RootlessCNI\":true,\"ChildIP\":\"$child4\"" "$(mapping "$port" 80)"
	helper_go
	pages "$port"
	[ "$(reload '"10.9.9.9"')" = OK ]
	pages "$port"
	[ "$(reload "\"$child6\"")" = OK ]
	pages "$port"
	helper_exit
}

# connections_of - "ACCEPTED REFUSED" as stats has them
counts() {
	"$PORTSHUNT" stats --control "$dir/control" --json | sed -E 's/.*"total":\{[^}]*"accepted":([0-9]+),"refused":([0-9]+).*/\1 \2/'
}

@test "nobody listens: the client is reset, and that is one refusal" {
	veth
	fresh --control "$dir/control"
	not page "http://127.0.0.1:$port/"
	not page "http://[::1]:$port/"
	[ "$(counts)" = "2 2" ]
	httpd "[::]:80" "$ns"
	pages "$port"
	[ "$(counts)" = "4 2" ]
}

@test "a server that changes its family is found again" {
	veth
	httpd "[::]:80" "$ns"
	fresh
	pages "$port"
	kill "${ends_with_test[0]}"
	eventually 5 not listening 80 "$ns"
	httpd "0.0.0.0:80" "$ns"
	pages "$port"
	kill "${ends_with_test[1]}"
	eventually 5 not listening 80 "$ns"
	httpd "[::]:80" "$ns"
	pages "$port"
}

@test "list and reload with two addresses" {
	veth
	httpd "[::]:80" "$ns"
	fresh --control "$dir/control"
	[[ $("$PORTSHUNT" list --control "$dir/control" --json) == *"\"child_ips\":[\"$child4\"]"* ]]
	"$PORTSHUNT" reload --control "$dir/control" "$child6"
	[[ $("$PORTSHUNT" list --control "$dir/control" --json) == *"\"child_ips\":[\"$child6\"]"* ]]
	pages "$port"
	"$PORTSHUNT" reload --control "$dir/control" 127.0.0.1
	pages "$port"
	"$PORTSHUNT" reload --control "$dir/control" "$child4" "$child6"
	[[ $("$PORTSHUNT" list --control "$dir/control" --json) == *"\"child_ips\":[\"$child4\",\"$child6\"]"* ]]
	pages "$port"
}

# echoed FAMILY OPTION... - a client's first datagram by either family comes back from a server of
# that family alone, and so do those of the next clients
echoed() {
	local family=$1 first clients=0

	shift
	peer_start server server udp-echo --control "-$family" --netns "$ns" --port 7000
	for first in 127.0.0.1 ::1; do
		portshunt_start attach --netns "$ns" -p 7000/udp "$@"
		published 7000 udp
		for to in "$first" 127.0.0.1 ::1; do
			peer_start client client udp-hold --connections 1 "$to" "$port"
			peer_read client
			peer_ask client "ping 3000"
			[ "$line" = "answered 1, silent 0, refused 0" ] || { echo "IPv$family, $to: $line"; return 1; }
			peer_kill client
		done
		portshunt_stop
	done
	peer_kill server
}

@test "UDP: a server of one family gets the first datagram already" {
	veth
	echoed 4
	echoed 6
	echoed 4 --child-ip "$child4" --child-ip "$child6"
	echoed 6 --child-ip "$child4" --child-ip "$child6"
}

@test "UDP: nobody listens, and then a server of one family does" {
	veth
	portshunt_start attach --netns "$ns" -p 7000/udp
	published 7000 udp
	peer_start client client udp-hold --connections 3 127.0.0.1 "$port"
	peer_read client
	peer_ask client "ping 3000"
	[ "$line" = "answered 0, silent 3, refused 3" ] || { echo "nobody: $line"; return 1; }
	peer_start server server udp-echo --control -6 --netns "$ns" --port 7000
	six() { peer_ask client "ping 3000" && [ "$line" = "answered 3, silent 0, refused 0" ]; }
	eventually 10 six
	peer_kill server
	peer_start server server udp-echo --control -4 --netns "$ns" --port 7000
	peer_kill client
	peer_start client client udp-hold --connections 3 127.0.0.1 "$port"
	peer_read client
	eventually 10 six
}

# ms COMMAND... - sets $ms to how long it took
ms() {
	local began=${EPOCHREALTIME/./}

	"$@"
	ms=$(((${EPOCHREALTIME/./} - began) / 1000))
}

@test "an address that is silent costs the first client 250 ms, and the next ones nothing" {
	local n

	veth
	# whoever has that address does not answer
	ip -n "$name" neigh add "${child4%.*}.9" lladdr 02:00:00:00:00:09 dev eth0
	httpd "[::]:80" "$ns"
	fresh --child-ip "${child4%.*}.9" --child-ip "$child6"
	ms page "http://127.0.0.1:$port/"
	echo "the first took $ms ms"
	[ "$ms" -ge 250 ]
	[ "$ms" -lt $((1000 * ${PATIENCE:-1})) ]
	ms eval 'for n in {1..20}; do page "http://127.0.0.1:$port/"; done'
	echo "20 more took $ms ms"
	[ "$ms" -lt $((20 * 250 * ${PATIENCE:-1})) ]
	# it is not waited for any more when the one that answered refuses
	kill "${ends_with_test[0]}"
	eventually 5 not listening 80 "$ns"
	ms not page "http://127.0.0.1:$port/"
	[ "$ms" -lt $((1000 * ${PATIENCE:-1})) ]
}

@test "a slow answer of the first address is taken when the other one refuses" {
	veth
	ip -n "$name" neigh add "${child4%.*}.9" lladdr 02:00:00:00:00:09 dev eth0
	fresh --child-ip "${child4%.*}.9" --child-ip "$child6" --log-level debug
	exec {client}<>"/dev/tcp/127.0.0.1/$port"
	eventually 5 grep -q "connect by the other family" "$dir/portshunt.err"
	ip -n "$name" addr add "${child4%.*}.9/32" dev lo
	httpd "${child4%.*}.9:80" "$ns"
	printf 'GET / HTTP/1.0\r\n\r\n' >&"$client"
	timeout 10 grep -q "a page" <&"$client"
	exec {client}>&-
}
