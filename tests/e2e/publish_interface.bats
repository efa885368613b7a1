# SPDX-License-Identifier: Apache-2.0
# Publishing through one interface, and on addresses that come later. The host is a namespace that
# is joined to two others by v0 and v1, and runs portshunt; the container is a fourth one.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib
load take_over_lib

setup_file() { e2e_setup_file; }
setup() {
	control_setup
	netns_make host
	host=$ns host_name=$(basename "$ns")
	for i in 0 1; do
		netns_make "side$i"
		sides[i]=$ns
		ip -n "$host_name" link add "v$i" type veth peer name eth0 netns "$(basename "$ns")"
		ip -n "$host_name" addr add "10.213.$i.1/24" dev "v$i"
		ip -n "$host_name" addr add "fd13:$i::1/64" dev "v$i" nodad
		ip -n "$host_name" link set "v$i" up
		ip -n "$(basename "$ns")" addr add "10.213.$i.2/24" dev eth0
		ip -n "$(basename "$ns")" addr add "fd13:$i::2/64" dev eth0 nodad
		ip -n "$(basename "$ns")" link set eth0 up
		# the other address of the host is reached by this interface as well
		ip -n "$(basename "$ns")" route add default via "10.213.$i.1"
	done
	netns_make container
	httpd 80 "$ns"
	wrap=(nsenter --net="$host")
}
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# from WHERE ADDRESS PORT - is the page there for side 0, for side 1, or for the "host" itself?
from() {
	local where=$host

	[ "$1" = host ] || where=${sides[$1]}
	[ "$(nsenter --net="$where" timeout 5 busybox wget -q -O - "http://$2:$3/" 2>&1)" = "a page" ]
}

# udp_listeners - the UDP sockets of the host that are bound
udp_listeners() {
	nsenter --net="$host" ss -Hunl | awk '{ print $4 }'
}

@test "a port is published through one interface" {
	control_start -p %v0:8080:80 -p 10.213.1.1%v1:8081:80/tcp,udp
	from 0 10.213.0.1 8080
	from 0 10.213.1.1 8080
	not from 1 10.213.0.1 8080
	not from 1 10.213.1.1 8080
	# the kernel takes who connects to the interface's own address as coming in there
	from host 10.213.0.1 8080
	not from host 10.213.1.1 8080
	not from host 127.0.0.1 8080
	! has_ipv6 || from 0 "[fd13:0::1]" 8080
	from 1 10.213.1.1 8081
	not from 0 10.213.1.1 8081
	[ "$(udp_listeners)" = 10.213.1.1%v1:8081 ]
}

@test "IPv6 on one interface, and a link-local address keeps its zone" {
	has_ipv6 || skip "this host has no IPv6"
	ip -n "$host_name" addr add fe80::13/64 dev v0 nodad
	control_start -p '[::%v0]:8080:80' -p '[fd13:1::1%v1]:8081:80' -p '[fe80::13%v0]:8082:80'
	from 0 "[fd13:0::1]" 8080
	not from 0 10.213.0.1 8080
	not from 1 "[fd13:1::1]" 8080
	from 1 "[fd13:1::1]" 8081
	grep -q '"spec":"\[fe80::13%v0\]:8082:80/tcp"' <<<"$(control list --json)"
	not grep -q '"interface":"v0","host_port":8082' <<<"$(control list --json)"
}

@test "a rule of a link-local address reaches its limit, and one warning names it" {
	has_ipv6 || skip "this host has no IPv6"
	ip -n "$host_name" addr add fe80::13/64 dev v0 nodad
	control_start -p '[fe80::13%v0]:8082:80' --rule-limit connections=1
	"${wrap[@]}" perl -MSocket=:all -e '
		my $zone = <STDIN>;
		for (1 .. 2) {
			socket(my $s, AF_INET6, SOCK_STREAM, 0) or die $!;
			connect($s, pack_sockaddr_in6(8082, inet_pton(AF_INET6, "fe80::13"), $zone + 0))
				or die $!;
			push @all, $s;
		}
		sleep 600' <<<"$(ip -n "$host_name" -o link show v0 | cut -d: -f1)" 3>&- &
	ends_with_test+=($!)
	eventually 5 grep -q "fe80::13%.*\]:8082:80/tcp" "$dir/portshunt.err"
	not grep -q "is not allowed" "$dir/portshunt.err"
	control list >/dev/null
}

@test "two interfaces have the same port; rules name theirs, and are removed by it" {
	control_start
	added %v0:8080:80
	added %v1:8080:80
	added 10.213.0.1%v0:8081:80
	from 0 10.213.0.1 8080
	from 1 10.213.1.1 8080
	refused "has the same host port" add 8080:80
	refused "has the same host port" add %v0:8080:81
	added '[fe80::1%1]:9999:80' || grep -q "cannot assign" "$dir/control.err"
	run -0 control list
	[[ $output == *" %v0:8080 "* && $output == *" %v1:8080 "* && $output == *" 10.213.0.1%v0:8081 "* ]]
	grep -q '"spec":"%v1:8080:80/tcp","host_ip":"","interface":"v1","host_port":8080' \
		<<<"$(control list --json)"
	refused "no rule is %v2:8080:80/tcp" remove %v2:8080:80
	refused "no rule is 8080:80/tcp" remove 8080:80
	control remove %v0:8080:80
	not from 0 10.213.0.1 8080
	from 1 10.213.1.1 8080
	control reload 127.0.0.2
	from 1 10.213.1.1 8080
	run -0 control add %v0::80-81
	[[ $output =~ ^80-81/tcp\ -\>\ %v0:[0-9]+-[0-9]+$ ]]
}

@test "a take-over keeps the interface" {
	first_start -p %v0:8080:80 --log-level info
	take_over
	said "took over 1 rule, 1 listener"
	ended "$old"
	from 0 10.213.0.1 8080
	not from 1 10.213.0.1 8080
	refused "has the same host port" add 8080:80
	# one of another interface is another rule
	options=(--netns "$ns" --child-ip 127.0.0.1 --control "$socket" -p %v1:8080:80)
	take_over
	ended "$old"
	from 0 10.213.0.1 8080
	from 1 10.213.1.1 8080
}

@test "an interface that there is not, and one for slirp4netns" {
	run -125 "${wrap[@]}" "$PORTSHUNT" attach --netns "$ns" -p %v2:8080:80
	[ "$output" = "portshunt: listen tcp %v2:8080: there is no interface v2; \`ip link\` lists those that there are" ]
	control_start
	refused "listen udp 10.213.0.1%v2:8080: there is no interface v2; " add 10.213.0.1%v2:8080:80/udp
	refused "names an interface that does not exist; \`ip link\` lists those that do" \
		add '[fe80::1%v2]:8080:80'
	added %v0:8080:80
	from 0 10.213.0.1 8080
}

@test "--freebind publishes an address that comes later" {
	run -125 "${wrap[@]}" "$PORTSHUNT" attach --netns "$ns" -p 10.213.9.9:8080:80
	[ "$output" = "portshunt: listen tcp 10.213.9.9:8080: bind: cannot assign requested address; \`ip address\` lists the addresses that this host has, --freebind publishes one that comes later" ]
	local specs=(10.213.9.9:8080:80/tcp,udp)
	! has_ipv6 || specs+=('[fd13:9::9]:8080:80')
	control_start --freebind $(printf -- '-p %s ' "${specs[@]}")
	[ "$(udp_listeners)" = 10.213.9.9:8080 ]
	refused "; \`ip address\` lists the addresses" add 10.213.9.9:8081:80
	control add --freebind 10.213.9.9:8081:80
	ip -n "$host_name" addr add 10.213.9.9/32 dev v0
	from 0 10.213.9.9 8080
	from 0 10.213.9.9 8081
	has_ipv6 || return 0
	ip -n "$host_name" addr add fd13:9::9/128 dev v0 nodad
	from host "[fd13:9::9]" 8080
}
