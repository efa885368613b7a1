# SPDX-License-Identifier: Apache-2.0
# How connections end, and urgent data: resets stay resets, ends stay ends.

load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

@test "the client resets: the server reads what came before, then ECONNRESET" {
	attach_start
	for bytes in 0 1 10 50000; do
		compare sink -- rst --bytes $bytes
		saw "received: $bytes bytes" "recv: ECONNRESET"
	done
}

@test "the server resets: the client reads what came before, then ECONNRESET" {
	attach_start
	# not before the client knows that it is connected: its connect(2) may tell of a reset, too
	compare rst --read 1 -- exchange --bytes 1 --finish hold
	saw "received: 0 bytes" "recv: ECONNRESET"
	compare rst --read 8 --bytes 5 -- exchange --bytes 8 --finish hold
	saw "received: 5 bytes" "recv: ECONNRESET"
}

@test "a reset after one side has shut down" {
	attach_start
	# the client is done sending and waits; the server resets once it has seen that
	compare exchange --after eof --read 1g --send 10 --finish rst -- exchange --bytes 100
	saw "received: 10 bytes" "recv: ECONNRESET"
	compare exchange --bytes 100 -- exchange --after eof --read 1g --send 10 --finish rst
	saw "received: 10 bytes" "recv: ECONNRESET"
}

@test "a close with unread data is a reset, from either side" {
	attach_start
	compare exchange --bytes 1000 --finish hold -- exchange --finish close --unread 1000
	saw "recv: ECONNRESET"
	compare exchange --finish close --unread 1000 -- exchange --bytes 1000 --finish hold
	saw "recv: ECONNRESET"
}

@test "a reset in the middle of a stream stops the writer" {
	attach_start
	for to in native "${families[@]}"; do
		observe "$to" rst --read 1m -- source --bytes 1g >"$dir/up"
		observe "$to" source --bytes 1g -- rst --read 1m >"$dir/down"
		grep -E 'ECONNRESET|EPIPE' "$dir/up"
		grep -E 'ECONNRESET|EPIPE' "$dir/down"
		grep -q 'server, status 0' "$dir/up"
		grep -q 'client, status 0' "$dir/down"
	done
}

# urgent SENDER - its marks, apart and in line, wherever they are
urgent() {
	local gap tail marks place inline

	attach_start
	for inline in "" --inline; do
		# in the middle, three in turn; at the very start; the last byte of all. Never more
		# than the 64 KiB ahead that TCP's urgent pointer can tell of.
		for place in "1000 1000 3" "0 1000 1" "1000 0 1" "1000 0 30" "30000 30000 3" "60000 0 3"; do
			read -r gap tail marks <<<"$place"
			place="--gap $gap --tail $tail --marks $marks"
			if [ "$1" = server ]; then
				compare oob-send $place -- oob-recv $place $inline
			else
				compare oob-recv $place $inline -- oob-send $place
			fi
			saw "client, status 0" "server, status 0" "oob: byte A at $gap" \
				"received: $((marks * (gap + tail))) bytes" "recv: EOF"
		done
	done
}

@test "urgent bytes cross, with their place, from client to server" {
	urgent client
}

@test "urgent bytes cross, with their place, from server to client" {
	urgent server
}

# reset_ms CLIENT_ARG... - connects five times; sets $best to the least time until the reset,
# in ms: a busy machine may delay one, a forwarder that tries again delays each.
reset_ms() {
	local try ms

	best=
	for try in {1..5}; do
		run "$PEER" client connect "$@"
		echo "$output"
		# connect(2) may return when the reset is there already, and then it tells of it; so
		# may what is said
		[[ ${lines[0]} =~ ^connect:\ (ok|ECONNRESET)$ ]]
		[[ $output == *": ECONNRESET"* ]]
		ms=${output##*ms: }
		ms=${ms/./}
		[ -n "$best" ] && [ "$best" -le $((10#$ms)) ] || best=$((10#$ms))
	done
	best=$((best / 1000))
}

@test "where nobody listens in the container, the client is reset at once" {
	attach_start
	for family in "${families[@]}"; do
		client_to "$family"
		for say in "" "--bytes 10"; do
			reset_ms $say "${to[@]}"
			[ "$best" -lt 50 ]
		done
	done
}

@test "a server that comes later is reached" {
	attach_start
	run "$PEER" client connect 127.0.0.1 "$port"
	[[ $output == *": ECONNRESET"* ]]
	compare echo -- echo --bytes 1000
	saw "client, status 0"
}
