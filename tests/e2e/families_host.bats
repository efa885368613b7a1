# SPDX-License-Identifier: Apache-2.0
# The families of the host: 0.0.0.0 and :: beside each other, and hosts where IPv6 is off or
# forbidden.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load rootlessport_lib
load docker_proxy_lib

setup_file() {
	e2e_setup_file
	docker_proxy_setup_file
}
setup() {
	rootlessport_setup
	proxy=$OURS
	proxy_pids=()
	forbidden=(perl "$e2e_root/tests/tools/forbid-ipv6.pl")
	netns_make
}
teardown() {
	proxies_stop
	rootlessport_teardown
}
teardown_file() { e2e_teardown_file; }

# page_is TEXT URL
page_is() {
	[ "$(timeout 5 busybox wget -q -O - "$2")" = "$1" ]
}

# www NAME PORT - a server in $ns whose page is NAME
www() {
	mkdir "$dir/$1"
	echo "$1" >"$dir/$1/index.html"
	nsenter --net="$ns" busybox httpd -f -p "$2" -h "$dir/$1" 3>&- &
	ends_with_test+=($!)
	eventually 5 listening "$2" "$ns"
}

@test "rootlessport: 0.0.0.0 and :: of one port lead to ports of their own, also after a reload" {
	local order

	has_ipv6 || skip "this host has no IPv6"
	www four 80
	www six 81
	free_port
	published_ports+=("$port")
	for order in "80 0.0.0.0 81 ::" "81 :: 80 0.0.0.0"; do
		set -- $order
		config ',"RootlessCNI":true' "$(mapping "$port" "$1" tcp 1 "$2")" \
			"$(mapping "$port" "$3" tcp 1 "$4")"
		helper_go
		page_is four "http://127.0.0.1:$port/"
		page_is six "http://[::1]:$port/"
		[ "$(reload '"127.0.0.2"')" = OK ]
		page_is four "http://127.0.0.1:$port/"
		page_is six "http://[::1]:$port/"
		helper_exit
	done
}

# ipv4_only - what is published on $port is there on IPv4, with no IPv6 listener
ipv4_only() {
	page "http://127.0.0.1:$port/"
	[ -z "$(ss -6Htln "sport = :$port")" ]
}

@test "IPv6 sockets are forbidden: attach and run listen on IPv4, and say so once" {
	local said='this host has no IPv6 that may be used (systemd: RestrictAddressFamilies=): listening on IPv4 only'

	has_ipv6 || skip "this host has no IPv6"
	httpd 80 "$ns"
	wrap=("${forbidden[@]}")
	portshunt_start attach --netns "$ns" -p 80 -p 81/udp -p 82-84
	published 80
	ipv4_only
	[ "$(grep -cF "$said" "$dir/portshunt.err")" = 1 ]
	[ "$(grep -c IPv6 "$dir/portshunt.err")" = 1 ]
	portshunt_stop
	portshunt_start run --network none -p 80 -- busybox httpd -f -p 80 -h "$dir/www"
	published 80
	eventually 5 ipv4_only
	[ "$(grep -c IPv6 "$dir/portshunt.err")" = 1 ]
}

@test "IPv6 sockets are forbidden: what only they could do is an error that says so" {
	local why='socket: address family not supported by protocol; this host has no IPv6, or forbids it (systemd: RestrictAddressFamilies=)'

	run -125 "${forbidden[@]}" "$PORTSHUNT" attach --netns "$ns" -p "[::1]:8080:80"
	[ "$output" = "portshunt: listen tcp [::1]:8080: $why" ]
	run -125 "${forbidden[@]}" "$PORTSHUNT" attach --netns "$ns" -p "[::]:8080:80/udp"
	[ "$output" = "portshunt: listen udp [::]:8080: $why" ]
	# clients would wait for a socket without end
	run -125 "${forbidden[@]}" "$PORTSHUNT" attach --netns "$ns" -p 127.0.0.1::80 --child-ip ::1
	[ "${lines[-1]}" = "portshunt: cannot connect to ::1: $why" ]
}

@test "IPv6 sockets are forbidden: rootlessport and docker-proxy" {
	local why='address family not supported by protocol; this host has no IPv6, or forbids it (systemd: RestrictAddressFamilies=)'

	has_ipv6 || skip "this host has no IPv6"
	httpd 80 "$ns"
	free_port
	published_ports+=("$port")
	config '' "$(mapping "$port" 80)"
	helper_go "${forbidden[@]}"
	ipv4_only
	[ "$(grep -c "this host has no IPv6" "$dir/helper.err")" = 1 ]
	helper_exit
	config '' "$(mapping "$port" 80 tcp 1 ::)"
	helper_start "$ours" "${forbidden[@]}"
	[ -z "$ready" ]
	[ "$(<"$dir/helper.out")" = "listen tcp [::]:$port: socket: $why" ]
	helper_wait
	wrap=("${forbidden[@]}")
	proxy_start -proto tcp -host-ip :: -host-port "$port" -container-ip 127.0.0.1 -container-port 80
	[ "$told" = "1"$'\n'"listen tcp6 [::]:$port: socket: $why." ]
	proxy_start -proto udp -host-ip 127.0.0.1 -host-port "$port" -container-ip ::1 -container-port 80
	[ "$told" = "1"$'\n'"-container-ip ::1: socket: $why." ]
	proxy_runs -proto tcp -host-ip 127.0.0.1 -host-port "$port" -container-ip 127.0.0.1 -container-port 80
}

@test "IPv6 is disabled: a port of :: has a warning that nobody can reach it" {
	netns_make host
	nsenter --net="$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	wrap=(nsenter --net="$ns")
	portshunt_start run --network none -p "[::]:8080:80" -p "[::]:8081-8082:81-82" -- sleep 60
	[ "$(grep -c "nobody can reach this port" "$dir/portshunt.err")" = 1 ]
	grep -qF "[::]:8080: this host has no IPv6 address: nobody can reach this port" "$dir/portshunt.err"
	portshunt_stop
	portshunt_start run --network none -p 0.0.0.0:8080:80 -- sleep 60
	not grep -q IPv6 "$dir/portshunt.err"
}
