# SPDX-License-Identifier: Apache-2.0
# A container whose address or namespace changes: one warning, and list shows it.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

setup() {
	run_setup
	socket=$dir/control
	netns_make box
	netns_veth box
	httpd 80 "$ns"
}

# only_ipv4 - by an address of the other family it would go on
only_ipv4() {
	ip -n "${ns##*/}" -6 addr flush dev eth0
}

# attach_to ADDRESS [OPTION...]
attach_to() {
	portshunt_start attach --netns "$ns" --child-ip "$1" --log-level warn --control "$socket" \
		-p 80 "${@:2}"
	published 80
}

warnings() {
	grep -c warning: "$dir/portshunt.err"
}

has_warnings() {
	[ "$(warnings)" = "$1" ]
}

# address_is ADDRESS|none - the container has that one, and no other
address_is() {
	ip -n "${ns##*/}" -4 addr flush dev eth0
	[ "$1" = none ] || ip -n "${ns##*/}" addr add "$1/24" dev eth0
}

missing="nothing in the namespace has"

@test "a container that gets another address: one warning, until it has answered in between" {
	only_ipv4
	attach_to "$child4"
	page "http://127.0.0.1:$port/"
	has_warnings 0
	address_is "${child4%.*}.99"
	for _ in 1 2; do
		not page "http://127.0.0.1:$port/"
	done
	eventually 5 has_warnings 1
	said "connect to $child4 in the container: no route to host: its clients are reset"
	[[ $(control list) == *"warning: $missing $child4"* ]]
	[[ $(control list --json) == *"\"warnings\":[\"$missing $child4\"]"* ]]
	# one, however long it takes: a warning is allowed every ten seconds
	address_is none
	end=$((SECONDS + 11))
	while [ "$SECONDS" -lt "$end" ]; do
		not page "http://127.0.0.1:$port/"
	done
	has_warnings 1
	address_is "$child4"
	page "http://127.0.0.1:$port/"
	[[ $(control list --json) == *'"warnings":[]'* ]]
	[[ $(control list) != *warning* ]]
	has_warnings 1
	address_is none
	not page "http://127.0.0.1:$port/"
	eventually 5 has_warnings 2
	said "connect to $child4 in the container: network is unreachable"
}

@test "an address that is gone is no warning while the other family answers" {
	attach_to "$child4"
	page "http://127.0.0.1:$port/"
	address_is none
	page "http://127.0.0.1:$port/"
	has_warnings 0
	# without either, its clients are reset
	only_ipv4
	not page "http://127.0.0.1:$port/"
	eventually 5 has_warnings 1
}

@test "it answers at the address that reload names" {
	only_ipv4
	attach_to "$child4"
	address_is "${child4%.*}.99"
	not page "http://127.0.0.1:$port/"
	eventually 5 has_warnings 1
	control reload "${child4%.*}.99"
	page "http://127.0.0.1:$port/"
	has_warnings 1
}

@test "UDP to a container out of reach: the same warning, and no other" {
	only_ipv4
	attach_to "$child4" -p 53/udp
	published 53 udp
	address_is none
	warned() {
		echo hello >"/dev/udp/127.0.0.1/$port" || true
		has_warnings 1
	}
	eventually 5 warned
	said "connect to $child4 in the container: network is unreachable"
}

@test "reload, run and attach warn of an address that nothing in the namespace has" {
	attach_to "$child4"
	has_warnings 0
	[ "$(control reload 10.0.3.7)" = "0 connections to other addresses were closed
warning: $missing 10.0.3.7" ]
	said "warning: $missing 10.0.3.7"
	[[ $(control list) == *"the container's address: 10.0.3.7
warning: $missing 10.0.3.7"* ]]
	out=$(control reload --json "$child4" 2001:db8::1)
	[[ $out == *"\"warnings\":[\"$missing 2001:db8::1\"]"* ]]
	out=$(control reload --json "$child4" "$child6")
	[[ $out == *'"warnings":[]'* ]]
	portshunt_stop
	attach_to 10.0.3.7
	said "warning: $missing 10.0.3.7"
	portshunt_stop
	attach_to 127.0.0.3
	has_warnings 0
	run "$PORTSHUNT" run --network none --child-ip 10.9.9.9 true
	[ "$status" = 0 ]
	[[ $output == *"warning: $missing 10.9.9.9"* ]]
	run "$PORTSHUNT" run --network none true
	[[ $output != *"$missing"* ]]
}

@test "a namespace that is deleted and made again under its name: one warning, and list shows it" {
	attach_to "$child4"
	[[ $(control list --json) == *'"warnings":[]'* ]]
	ip netns del "${ns##*/}"
	eventually 5 has_warnings 1
	said "warning: --netns $ns: the namespace was deleted or replaced: connections still go to the old one"
	ip netns add "${ns##*/}"
	ip netns add "${ns##*/}-other"
	namespaces+=("${ns##*/}-other")
	[[ $(control list) == *"warning: $ns is not the namespace any more that connections go to"* ]]
	[[ $(control list --json) == *"\"warnings\":[\"$ns is not the namespace"* ]]
	has_warnings 1
	# of other namespaces nothing is said
	portshunt_stop
	portshunt_start attach --netns "$ns" --log-level warn --control "$socket" -p 80
	ip netns del "${ns##*/}-other"
	control list >/dev/null
	has_warnings 0
}
