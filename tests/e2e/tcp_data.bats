# SPDX-License-Identifier: Apache-2.0
# Data over TCP arrives whole and in order, both ways, however it is cut; what either side
# sees is what it sees without portshunt.

load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

sums() {
	grep -o 'sum [0-9a-f]*' <<<"$observed" | sort | uniq -c | tr -s ' '
}

@test "much data each way at once, checksums equal" {
	bytes=$((${PEER_BULK_MB:-1024} * 1024 * 1024))
	attach_start
	compare bulk --bytes $bytes --deadline 240 -- bulk --bytes $bytes --deadline 240
	saw "client, status 0" "server, status 0" "received: $bytes bytes"
	[ "$(sums | cut -d' ' -f2 | xargs)" = "2 2" ]
}

@test "writes and reads of any size, blocking, poll and edge-triggered" {
	attach_start
	for io in --blocking --poll --epoll; do
		compare bulk --bytes 24m "$io" --write-size 1-1m --read-size 1-200k -- \
			bulk --bytes 24m "$io" --write-size 1-4m --read-size 1-200k
		saw "client, status 0" "server, status 0" "received: 25165824 bytes"
	done
}

@test "very small writes" {
	attach_start
	compare echo --bytes 50000 --nodelay on -- echo --bytes 50000 --nodelay on --write-size 1-5
	saw "client, status 0" "server, status 0"
}

@test "many streams at once, none gets another's bytes" {
	attach_start
	compare bulk --bytes 2m --connections 20 -- bulk --bytes 2m --streams 20 --write-size 1-500k
	saw "client, status 0" "server, status 0" "stream 19: received: 2097152 bytes"
	[ "$(sums | wc -l)" = 40 ]
}

@test "slow readers on either side" {
	attach_start
	compare bulk --bytes 8m --read-pause 1 --read-size 1-200k -- \
		bulk --bytes 8m --read-pause 1 --read-size 1-200k
	saw "client, status 0" "server, status 0"
}

@test "the server speaks first" {
	attach_start
	compare source --bytes 3m -- sink --bytes 3m
	saw "client, status 0" "received: 3145728 bytes" "recv: EOF"
	compare source --bytes 1 -- sink --bytes 1
	saw "client, status 0" "recv: EOF"
}

@test "the client speaks and closes at once" {
	attach_start
	for bytes in 1 100 60000; do
		compare sink --bytes $bytes -- exchange --bytes $bytes --finish close
		saw "server, status 0" "received: $bytes bytes" "recv: EOF"
	done
}

@test "nobody says anything, and the connection ends" {
	attach_start
	compare sink -- exchange --finish close
	saw "received: 0 bytes" "recv: EOF"
	compare exchange --finish close -- sink
	saw "received: 0 bytes" "recv: EOF"
}

@test "the client shuts its side down, then the server sends" {
	attach_start
	for bytes in 10 16m; do
		compare half-close --bytes $bytes -- half-close --bytes $bytes
		saw "client, status 0" "server, status 0" "recv: EOF"
	done
}

@test "the server shuts its side down, then the client sends" {
	attach_start
	for bytes in 10 16m; do
		compare server-half-close --bytes $bytes -- server-half-close --bytes $bytes
		saw "client, status 0" "server, status 0" "recv: EOF"
	done
}

@test "a side that has shut down at once still gets everything" {
	attach_start
	compare exchange --bytes 4m --after eof -- exchange --send 0
	saw "received: 4194304 bytes" "recv: EOF"
	compare exchange --send 0 -- exchange --bytes 4m --after eof
	saw "received: 4194304 bytes" "recv: EOF"
}

@test "one connection after the other" {
	attach_start
	compare bulk --bytes 10k --connections 200 -- bulk --bytes 10k --streams 200
	for i in {1..30}; do
		observe 4 echo -- echo --bytes 1000 >"$dir/seen"
		grep -q "client, status 0" "$dir/seen" || { cat "$dir/seen"; false; }
	done
}

@test "1000 connections, each closed right after its last byte, lose nothing" {
	attach_start
	for where in native "${families[@]}"; do
		observe "$where" sink --connections 1000 --bytes 3000 -- \
			exchange --bytes 3000 --write-size 1-2k --finish close --streams 1000 >"$dir/seen"
		grep -E 'status [^0]|wrong' "$dir/seen" && return 1
		[ "$(grep -c 'received: 3000 bytes' "$dir/seen")" = 1000 ]
		[ "$(grep -c 'recv: EOF' "$dir/seen")" = 1000 ]
	done
}

@test "connections that come and go, as fast as they can: none fails" {
	attach_start
	peer_start server server bench --netns "$ns" --port 7000 --control
	for family in "${families[@]}"; do
		client_to "$family"
		run "$PEER" client crr --epoll --flows 64 --seconds 1 --request 100 --response 5000 "${to[@]}"
		echo "# $output" >&3
		[ "$status" = 0 ]
		[[ $output == *" errors=0 "* && $output != *" count=0 "* ]]
	done
	peer_stdin_eof server
	peer_wait server
	[ "$status" = 0 ]
}
