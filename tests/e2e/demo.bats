# SPDX-License-Identifier: Apache-2.0
# What `make demo` shows to a newcomer works, and fails loudly when portshunt does not.

setup() {
	# bats' own directory is closed to other users, as the repository may be
	dir=$(mktemp -d)
	chmod 755 "$dir"
	cp "${PORTSHUNT:-build/portshunt}" "$dir/portshunt"
	cp "$BATS_TEST_DIRNAME/../tools/demo.sh" "$dir"
	export PORTSHUNT=$dir/portshunt
}

teardown() {
	[ ! -e "$dir/tun-mode" ] || chmod "$(<"$dir/tun-mode")" /dev/net/tun
	rm -rf "$dir"
}

demo_succeeds() {
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"Hello from pid 2 of a new namespace, where the host said: Hello from the host."* ]]
	[[ $output =~ "outbound through 10.0.2.2; datapath "(splice|shunt)$ ]]
}

@test "the demo, as who runs the tests" {
	run bash "$dir/demo.sh"
	demo_succeeds
}

@test "the demo, as an ordinary user" {
	[ "$(id -u)" = 0 ] || skip "is what the test before did"
	stat -c %a /dev/net/tun >"$dir/tun-mode"
	chmod a+rw /dev/net/tun
	run setpriv --reuid 65534 --regid 65534 --clear-groups bash "$dir/demo.sh"
	demo_succeeds
}

@test "the demo fails when portshunt fails, and shows why" {
	printf '#!/bin/sh\n[ "$1" = --version ] || { echo no such luck >&2; exit 125; }\n' >"$dir/portshunt"
	run bash "$dir/demo.sh"
	[ "$status" = 1 ]
	[[ $output == *"no such luck"* ]]
}
