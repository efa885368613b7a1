# SPDX-License-Identifier: Apache-2.0
# Senders that the shunt does not pay for go back to splice for good, and `stats` counts them;
# others stay. tests/tools/ways sends, and verifies what comes.

load lib

setup_file() {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	need_root
	e2e_setup_file
}
setup() {
	e2e_setup
	netns_make
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --datapath shunt \
		--log-level debug --control "$dir/control" -p 7000
	published 7000
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# total KEY - that figure of all rules
total() {
	"$PORTSHUNT" stats --control "$dir/control" --json | grep -o '"total":{[^}]*}' |
		grep -o "\"$1\":[0-9]*" | sed 's/.*://'
}

# send WAY DIR SIZE COUNT - see tests/tools/ways/main.c; the receiver keeps up
send() {
	echo "$port $1 $2 $3 $4 edge nodelay fast" | "$WAYS_TOOL" --netns "$ns" --port 7000 | tee "$dir/cell"
	grep -q 'error=none' "$dir/cell"
}

# released_after DIRECTION RELEASED - send until so many were released. Three ticks in a row must
# find bytes held back: on a busy machine not in every connection of 400 messages.
released_after() {
	local i
	for i in {1..10}; do
		send more-nodelay "$1" 200 400
		[ "$(total released)" -lt "$2" ] || break
	done
	[ "$(total released)" = "$2" ]
}

@test "bytes that are held back and released by TCP_NODELAY: released" {
	released_after down 1
	released_after up 2
	grep -q "released: the container's socket: it holds bytes back" "$dir/portshunt.err"
	grep -q "released: the client's socket: it holds bytes back" "$dir/portshunt.err"
}

@test "a large file under TCP_CORK: not captured, or released" {
	local i
	# on a busy machine all may have been sent before the capture was answered
	for i in {1..10}; do
		send sendfile-cork down 150000000 1
		[ $(($(total fallback) + $(total released))) = 0 ] || break
	done
	[ $(($(total fallback) + $(total released))) = 1 ]
	[ "$(total captured)" = $((i - 1)) ]
	[ "$(total down_redirected)" -lt 75000000 ]
}

@test "small files under TCP_CORK, one for each request: captured between two of them" {
	local i
	# on a busy machine 1000 answers may be over before the capture is
	for i in {1..10}; do
		send sendfile-nginx down 10000 1000
		[ "$(total down_redirected)" -le 100000 ] || break
	done
	[ "$(total captured)" -ge 1 ]
	[ "$(total released)" = 0 ]
	[ "$(total down_redirected)" -gt 100000 ]
}

@test "requests and answers, and bulk, are not released" {
	send send down 10000 200
	send send up 10000 200
	[ "$(total captured)" -ge 2 ]
	[ "$(total released)" = 0 ]
	! grep released: "$dir/portshunt.err" || return 1
}

@test "one byte, and one back, over and over: none is taken for held back" {
	# so often that ticks find many on their way
	peer_start server server bench --netns "$ns" --port 7000
	for i in {1..4}; do
		"$PEER" client rr --epoll --flows 1 --seconds 1 127.0.0.1 "$port"
	done
	[ "$(total captured)" = 8 ]
	[ "$(total released)" = 0 ]
}
