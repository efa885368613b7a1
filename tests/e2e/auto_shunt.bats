# SPDX-License-Identifier: Apache-2.0
# --datapath=auto in use: where the shunt passes its self-tests, what non-blocking applications
# send is redirected, and what blocking ones send is not. Where FIONREAD is wrong on a captured
# socket, bulk is redirected, one direction at a time, and messages to and fro are not; where
# another self-test does not pass, nothing is.

load lib
load control_lib
load doctor_lib

setup_file() { e2e_setup_file; }
setup() {
	e2e_setup
	socket=$dir/control
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

ended() {
	grep -q 'connection ended' "$dir/portshunt.err"
}

# redirected IO - requests and responses through `auto`, both applications of that kind; sets
# $up and $down to how many bytes were redirected.
redirected() {
	local line

	what_can_run
	up=0 down=0
	DATAPATH=auto attach_start --log-level debug
	peer_start server server bench --control --netns "$ns" --port 7000
	run "$PEER" client rr "$1" --flows 1 --seconds 1 --request 10 --response 10 127.0.0.1 "$port"
	echo "$output"
	[ "$status" = 0 ]
	peer_stdin_eof server
	peer_wait server
	# splice counts nothing
	if [ "$best" != shunt ]; then
		! grep 'captured: ' "$dir/portshunt.err"
		return
	fi
	eventually 5 ended
	line=$(grep 'connection ended' "$dir/portshunt.err")
	echo "# $1: $line" >&3
	[[ $line =~ "relayed, "([0-9]+)" redirected; down ".*" relayed, "([0-9]+)" redirected" ]]
	up=${BASH_REMATCH[1]} down=${BASH_REMATCH[2]}
}

@test "auto redirects what non-blocking applications send, where it takes the shunt" {
	redirected --epoll
	if [ "$best" = shunt ] && [ -z "$reason" ]; then
		[ "$up" -gt 0 ] && [ "$down" -gt 0 ]
	else
		[ "$up$down" = 00 ]
	fi
}

@test "auto redirects bulk, either way, where it takes the shunt" {
	what_can_run
	[ "$best" = shunt ] || skip "auto is $best here: $reason"
	netns_make
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		-p 7000 -p 7001
	bulk_redirected 1 up 7000 client server
	[ "$(stat_of 1 down_redirected)" = 0 ]
	bulk_redirected 2 down 7001 server client
	[ "$(stat_of 2 up_redirected)" = 0 ]
}

@test "auto leaves blocking applications alone" {
	redirected --blocking
	[ "$up$down" = 00 ]
}
