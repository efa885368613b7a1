# SPDX-License-Identifier: Apache-2.0
# The peer sees what TCP does, without portshunt between: a wrong byte, a reset, a mark. The
# other tests rest on this.

load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# pair SERVER_ARG... -- CLIENT_ARG... - sets $observed, as compare does.
pair() {
	local server=()

	while [ "$1" != -- ]; do
		server+=("$1")
		shift
	done
	shift
	peer_start server server "${server[@]}"
	peer_start client client "$@" 127.0.0.1 "${peer_port[server]}"
	peer_wait client
	observed="client, status $status: $output"
	peer_wait server
	observed+=" server, status $status: $output"
}

sums() {
	grep -o 'sum [0-9a-f]*' <<<"$observed" | sort | uniq -c | tr -s ' '
}

@test "both ways at once: blocking, poll and edge-triggered, in pieces of any size" {
	for io in --blocking --poll --epoll; do
		pair bulk --bytes 8m "$io" --read-size 1-300k -- \
			bulk --bytes 8m "$io" --write-size 1-4m --read-size 1-300k
		saw "client, status 0" "server, status 0" "recv: EOF" "received: 8388608 bytes"
		[ "$(sums | cut -d' ' -f2 | xargs)" = "2 2" ]
	done
}

@test "several streams have bytes of their own" {
	pair echo --connections 5 -- echo --streams 5 --bytes 1m --write-size 1-64k
	saw "client, status 0" "server, status 0" "stream 4: recv: EOF"
	[ "$(sums | wc -l)" = 5 ]
}

@test "a wrong byte is found, and where it is" {
	peer_start server server sink
	exec {tcp}<>"/dev/tcp/127.0.0.1/${peer_port[server]}"
	{
		printf CCCCCCCC
		head -c 100 /dev/zero
	} >&$tcp
	exec {tcp}>&-
	peer_wait server
	[ "$status" = 1 ]
	[[ $output == *"received: 108 bytes"*"wrong: byte at 8"* ]]
}

@test "bytes of another stream are found, although they are a right pattern" {
	# the server answers one client with what another one sent
	pair echo -- bulk --bytes 1000
	saw "client, status 1" "wrong: byte at 0"
}

@test "too few bytes are found" {
	pair sink --bytes 1000 -- source --bytes 999
	saw "client, status 0" "server, status 1" "received: 999 bytes"
}

@test "half-close, either side first" {
	pair half-close --bytes 1m -- half-close --bytes 1m
	saw "client, status 0" "server, status 0" "recv: EOF"
	pair server-half-close --bytes 1m --blocking -- server-half-close --bytes 1m --blocking
	saw "client, status 0" "server, status 0" "recv: EOF"
}

@test "a reset is told from an end, what came before it is read" {
	pair sink -- rst --bytes 10
	saw "received: 10 bytes" "recv: ECONNRESET"
	pair rst --read 8 --bytes 5 -- exchange --bytes 8 --finish hold
	saw "received: 5 bytes" "recv: ECONNRESET"
	pair exchange --finish close --unread 100 -- exchange --bytes 100 --finish hold
	saw "recv: ECONNRESET"
	pair sink -- exchange --bytes 10 --finish close
	saw "received: 10 bytes" "recv: EOF"
}

@test "urgent bytes: what they are and where, apart and in line" {
	pair oob-recv --marks 3 -- oob-send --marks 3
	saw "oob: byte A at 1000" "oob: byte B at 3000" "oob: byte C at 5000" "received: 6000 bytes"
	pair oob-send --gap 100k -- oob-recv --inline --gap 100k
	saw "oob: byte A at 102400" "received: 103400 bytes"
	pair oob-recv --gap 0 -- oob-send --gap 0
	saw "oob: byte A at 0" "received: 1000 bytes"
	pair oob-recv --tail 0 -- oob-send --tail 0
	saw "oob: byte A at 1000" "received: 1000 bytes"
}

# stopped_reader IO
stopped_reader() {
	peer_start server server sink --stop-after 100k --control --bytes 64m
	peer_start client client source --bytes 64m --until-blocked 200 "$1" \
		127.0.0.1 "${peer_port[server]}"
	peer_read client
	[[ $line =~ ^blocked:\ ([0-9]+)\ bytes\ accepted$ ]]
	[ "${BASH_REMATCH[1]}" -gt 102400 ]
	[ "${BASH_REMATCH[1]}" -lt 67108864 ]
	peer_tell server resume
	peer_wait client
	[ "$status" = 0 ]
	peer_wait server
	[ "$status" = 0 ]
}

@test "a stopped reader: the writer knows how much it got rid of, and goes on later" {
	for io in --epoll --blocking; do
		stopped_reader "$io"
	done
}

@test "the longest time without a byte is told" {
	peer_start server server sink --stall
	exec {tcp}<>"/dev/tcp/127.0.0.1/${peer_port[server]}"
	printf C >&$tcp
	sleep 1 # it may see the first byte late
	printf C >&$tcp
	exec {tcp}>&-
	peer_wait server
	[[ $output =~ "longest gap: "([0-9]+)" ms" ]]
	[ "${BASH_REMATCH[1]}" -ge 250 ]
}

@test "held connections are counted, pinged and closed" {
	peer_start server server hold --connections 300
	peer_start client client hold --connections 300 --ping --control --sources 3 \
		--source 127.0.0.1 127.0.0.1 "${peer_port[server]}"
	peer_read client
	[ "$line" = "holding 300" ]
	peer_read server
	[ "$line" = "port: ${peer_port[server]}" ]
	peer_read server
	[ "$line" = "holding 300" ]
	peer_ask client "close 50"
	[ "$line" = "closed 50" ]
	peer_ask client "ping 5000"
	[ "$line" = "answered 250, silent 0" ]
	peer_stdin_eof client
	peer_wait client
	[ "$output" = "open: 250, eof: 0, reset: 0" ]
	peer_wait server
	[ "$output" = "open: 0, eof: 300, reset: 0" ]
}

@test "who never answers is silent, who ends the connection is counted" {
	peer_start server server sink --stop-after 0 --control
	peer_start client client hold --control 127.0.0.1 "${peer_port[server]}"
	peer_read client
	[ "$line" = "holding 1" ]
	peer_ask client "ping 100"
	[ "$line" = "answered 0, silent 1" ]
	peer_kill server
	eventually 10 asked_client_is "open: 0, eof: 0, reset: 1"
	peer_stdin_eof client
	peer_wait client
}

asked_client_is() {
	peer_ask client status
	[ "$line" = "$1" ]
}

@test "nobody listens" {
	free_port
	run "$PEER" client connect 127.0.0.1 "$port"
	[ "$status" = 0 ]
	[[ ${lines[0]} == "connect: ECONNREFUSED" ]]
}

@test "what never comes ends with the deadline, and says what it was" {
	run env PATIENCE=1 "$PEER" server sink --deadline 0.2
	[ "$status" = 124 ]
	[[ $output == *"deadline of 0.2 s is over, waiting for the end of every stream"* ]]
	[[ $output == *"0 of 1 connections were made"* ]]
}

@test "every load runs against one server, and gives figures" {
	peer_start server server bench --control
	for load in "throughput --write-size 1k" "throughput --down --epoll --streams 2" \
		"throughput --poll" "rr --flows 4" "rr --epoll --flows 4 --request 128 --response 8k" \
		"rr --poll" wwr "wwr --epoll" "crr --flows 4" "crr --epoll --flows 4 --client-closes"; do
		run "$PEER" client $load --seconds 0.1 127.0.0.1 "${peer_port[server]}"
		[ "$status" = 0 ] || { echo "$load: $output"; false; }
		[ "${#lines[@]}" = 1 ]
		[[ $output =~ ^${load%% *}\ .*\ (gbps|tps|conns_per_s)=[1-9][0-9]*\.[0-9] ]] ||
			[[ $output =~ gbps=0\.[0-9]*[1-9] ]]
		[[ $output != *"errors="[1-9]* ]]
	done
	peer_stdin_eof server
	peer_wait server
	[ "$status" = 0 ]
}

@test "mistakes on the command line" {
	for args in "" "server" "neither sink" "server nosuch" "client rr" "client rr localhost 1" \
		"client rr 127.0.0.1 0" "client rr 127.0.0.1 1 --nosuch" "client rr 127.0.0.1 1 --flows" \
		"client rr 127.0.0.1 1 --flows x" "server sink --read 5" "server sink --stop-after 1" \
		"server sink --write-size 0" "server rr"; do
		run "$PEER" $args
		[ "$status" = 2 ] || { echo "peer $args: status $status"; false; }
		[ "${#lines[@]}" = 1 ]
	done
}
