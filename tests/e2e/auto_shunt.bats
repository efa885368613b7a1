# SPDX-License-Identifier: Apache-2.0
# --datapath=auto in use: where the shunt passes its self-tests (Debian 12's kernel: make
# check-kernels) what non-blocking applications send is redirected, and what blocking ones send
# is not; where it does not pass them, nothing is.

load lib
load doctor_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
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
	if [ "$best" = shunt ]; then
		[ "$up" -gt 0 ] && [ "$down" -gt 0 ]
	else
		[ "$up$down" = 00 ]
	fi
}

@test "auto leaves blocking applications alone" {
	redirected --blocking
	[ "$up$down" = 00 ]
}
