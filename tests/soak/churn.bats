# SPDX-License-Identifier: Apache-2.0
# SOAK_MB of random sizes each way, exact, while others connect and leave in every manner:
# no stream stands still for a second, and nothing is left of any of them.

load soak

setup_file() {
	need_root
	e2e_setup_file
}

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

teardown_file() {
	e2e_teardown_file
}

# stream_pair NAME PORT IO [native] - four long connections; both sides send at once, as they
# like.
stream_pair() {
	local to plan=(bulk --bytes "$stream_bytes" --write-size 1-128k --read-size 1-128k --stall
		--deadline 3000 "$3")

	if [ "${4:-}" = native ]; then
		to=(--netns "$ns" 127.0.0.1 "$2")
	else
		published "$2"
		to=(127.0.0.1 "$port")
	fi
	peer_start "$1-server" server "${plan[@]}" --connections 4 --netns "$ns" --port "$2"
	peer_start "$1-client" client "${plan[@]}" --streams 4 "${to[@]}"
}

# stream_ended NAME - both sides sent and got everything. Notes the longest gap.
stream_ended() {
	local side gap

	for side in client server; do
		peer_wait "$1-$side"
		[ "$status" = 0 ] || { echo "$1-$side: $status"; echo "$output"; return 1; }
		[ "$(grep -c "received: $stream_bytes bytes" <<<"$output")" = 4 ] || return 1
		echo "$output" >"$dir/$1-$side.report"
		for gap in $(sed -n 's/.*longest gap: \([0-9]*\) ms/\1/p' <<<"$output"); do
			[ "$gap" -le "$longest_gap" ] || longest_gap=$gap
		done
	done
	sums_agree "$1"
}

# What one side sent is what the other got.
sums_agree() {
	local side other

	for side in client server; do
		other=server
		[ $side = client ] || other=client
		diff <(sed -n 's/.* sent: .* sum //p' "$dir/$1-$side.report" | sort) \
			<(sed -n 's/.* received: .* sum //p' "$dir/$1-$other.report" | sort) || return 1
	done
}

# visitors COUNT TIMES SEEN SERVER_ARG... -- CLIENT_ARG... - COUNT connections at once, on
# which both sides see SEEN that many times. Adds to $visits.
visitors() {
	local count=$1 times=$2 seen=$3 server=()

	shift 3
	while [ "$1" != -- ]; do
		server+=("$1")
		shift
	done
	shift
	published 7002
	peer_start visited server "${server[@]}" --connections "$count" --netns "$ns" --port 7002
	peer_start visitor client "$@" --streams "$count" 127.0.0.1 "$port"
	peer_wait visitor
	echo "$output" >"$dir/visit"
	[ "$status" = 0 ] || { echo "visitor $*: status $status"; tail "$dir/visit"; return 1; }
	peer_wait visited
	echo "$output" >>"$dir/visit"
	[ "$status" = 0 ] || { echo "visited ${server[*]}: status $status"; tail "$dir/visit"; return 1; }
	if [ "$(grep -c "$seen" "$dir/visit")" != "$times" ] || grep -q wrong "$dir/visit"; then
		echo "not $times times \"$seen\": server ${server[*]} client $*"
		sed 's/^stream [0-9]*: //; s/, sum .*//' "$dir/visit" | sort | uniq -c
		return 1
	fi
	visits=$((visits + count))
}

# round IO - some of every manner; the larger ones are on the shunt when they leave.
round() {
	visitors 100 100 "received: 3000 bytes" sink --bytes 3000 "$1" -- \
		exchange --bytes 3000 --finish close "$1"
	visitors 100 100 "recv: ECONNRESET" exchange --send 8 --finish hold "$1" -- \
		rst --read 8 --bytes 5000 "$1"
	visitors 10 10 "recv: ECONNRESET" exchange --send 300k --finish hold "$1" -- \
		rst --read 300k --bytes 300k --write-size 1-64k "$1"
	visitors 50 100 "received: 20480 bytes" half-close --bytes 20k "$1" -- half-close --bytes 20k "$1"
	visitors 50 100 "received: 20480 bytes" server-half-close --bytes 20k "$1" -- \
		server-half-close --bytes 20k "$1"
	visitors 50 50 "recv: ECONNRESET" exchange --finish close --unread 100 "$1" -- \
		exchange --bytes 100 --finish hold "$1"
	visitors 50 50 "recv: ECONNRESET" exchange --send 1000 --finish hold "$1" -- \
		exchange --finish close --unread 100 "$1"
	visitors 20 40 "recv: EOF" echo "$1" -- echo --bytes 500k --write-size 1-64k "$1"
	visitors 20 20 "received: 400000 bytes" sink --bytes 400000 "$1" -- \
		exchange --bytes 400000 --write-size 1-64k --finish close "$1"
}

# As fast as they can, for half a second.
crowd() {
	published 7003
	run "$PEER" client crr --epoll --flows 16 --seconds 0.5 --request 100 --response 2000 \
		"$@" 127.0.0.1 "$port"
	[ "$status" = 0 ] || { echo "$output"; return 1; }
	[[ $output == *" errors=0 "* && $output =~ count=([1-9][0-9]*) ]] || { echo "$output"; return 1; }
	visits=$((visits + BASH_REMATCH[1]))
}

streams_go_on() {
	! pid_ended "${peer_pid[epoll-client]}" || ! pid_ended "${peer_pid[blocking-client]}"
}

# fds_are_back - no more descriptors than before the first connection, but for what is kept for the
# next ones: 16 pipes (PIPE_POOL_MAX), and 48 sockets to connect (CONNECTOR_MAX), of which there were
# 32. A leak in one of a hundred connections is more than that.
fds_are_back() {
	local before=($fds_before) now=($(our_fds))

	[ "${now[0]}" -le $((before[0] + 2 * 16)) ] && [ "${now[1]}" -le $((before[1] + 16)) ] &&
		[ "${now[2]}" = "${before[2]}" ]
}

back_to_start() {
	[ "$(map_entries)" = "$entries_before" ] && fds_are_back
}

# no_stall - nowhere did a second go by without a byte. The one excuse is a machine on which the same
# streams had worse without portshunt, with no others beside them.
no_stall() {
	[ "$longest_gap" -gt 1000 ] || return 0
	echo "a stream stood still for $longest_gap ms, natively $native_gap ms"
	[ "$native_gap" -gt 1000 ] || return 1
	remark "too busy a machine to tell: natively a stream stood still for $native_gap ms"
}

soak() {
	local mb=${SOAK_MB:-10240} began=$SECONDS

	attach_start -p 7001 -p 7002 -p 7003
	stream_bytes=$((mb * 1024 * 1024 / 128)) longest_gap=0
	stream_pair epoll 7000 --epoll native
	stream_pair blocking 7001 --blocking native
	stream_ended epoll
	stream_ended blocking
	native_gap=$longest_gap

	stream_bytes=$((mb * 1024 * 1024 / 8)) visits=0 longest_gap=0
	fds_before=$(our_fds) entries_before=$(map_entries)
	dmesg_mark
	peer_start crowd server bench --netns "$ns" --port 7003 --control --deadline 0
	stream_pair epoll 7000 --epoll
	stream_pair blocking 7001 --blocking
	# so many that a leak in one of a hundred shows: fds_are_back
	while streams_go_on || [ "$visits" -le 5000 ]; do
		round --epoll
		crowd
		round --blocking
		crowd --client-closes
	done
	stream_ended epoll
	stream_ended blocking
	remark "$mb MB each way in $((SECONDS - began)) s, $visits connections came and went," \
		"longest gap $longest_gap ms (natively $native_gap)," \
		"$(($(container_lo) / 1000000)) MB over the container's lo"
	no_stall
	peer_stdin_eof crowd
	peer_wait crowd
	if ! eventually 10 back_to_start; then
		echo "fds: $fds_before before, $(our_fds) after; map entries before and after:"
		diff <(echo "$entries_before") <(map_entries)
		return 1
	fi
	remark "fds $fds_before before, $(our_fds) after;" $(map_entries)
	objects=$(bpf_objects)
	[ "$DATAPATH" != shunt ] || [ -n "$objects" ]
	portshunt_stop
	[ "$status" = 0 ]
	eventually 5 objects_gone $objects
	dmesg_is_clean
}

@test "much data each way, exact, while others come and go in every manner" {
	for DATAPATH in "${datapaths[@]}"; do
		echo "on $DATAPATH"
		soak
	done
}
