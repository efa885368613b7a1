# SPDX-License-Identifier: Apache-2.0
# A writer at full speed whose reader has stopped: what it gets rid of is bounded, alone and
# as one of 200, and all memory comes back. STOPPED_MS is for how long nothing may be
# accepted any more before that counts as the end.

load soak

MB=1048576

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

# tcp_memory - bytes that all TCP sockets of the machine hold; our_memory - those of our processes
tcp_memory() {
	echo $(($(awk '$1 == "TCP:" { print $NF }' /proc/net/sockstat) * $(getconf PAGESIZE)))
}

our_memory() {
	local pid

	for pid in $(our_pids); do
		cat "/proc/$pid/smaps_rollup"
	done | awk '$1 == "Pss:" { kb += $2 } END { print kb * 1024 }'
}

available() {
	echo $(($(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo) * 1024))
}

# No connection is left, and what they held is free. The kernel counts TCP's memory for each CPU
# apart, a megabyte of which may not have been added up; the rest of the machine does other things,
# so that of it only what 200 connections hold, some gigabyte, is noticed.
memory_is_back() {
	[ -z "$(nsenter --net="$ns" ss -Htn)" ] &&
		[ "$(tcp_memory)" -le $((tcp_before + 2 * MB)) ] &&
		[ "$(our_memory)" -le $((ours_before + 2 * MB)) ] &&
		[ "$(available)" -ge $((available_before - 512 * MB)) ]
}

# writers_blocked NAME COUNT - reads a line of each; sets $most and $total, in bytes.
writers_blocked() {
	local i

	most=0 total=0
	for ((i = 0; i < $2; i++)); do
		peer_read "$1"
		[[ $line =~ ^blocked:\ ([0-9]+)\ bytes\ accepted$ ]] || { echo "$1: $line"; return 1; }
		total=$((total + BASH_REMATCH[1]))
		[ "${BASH_REMATCH[1]}" -le $most ] || most=${BASH_REMATCH[1]}
	done
}

# stopped WRITER COUNT IO - WRITER is the side that writes. The reader stops once it has had
# enough for the writer to be on the shunt; more would let the receive windows grow, which
# makes 30 MB on a connection without portshunt.
stopped() {
	local reader=client
	local -A args

	[ "$1" = server ] || reader=server
	args[$1]="source --bytes 1g --until-blocked ${STOPPED_MS:-10000} $3"
	args[$reader]="sink --stop-after 256k --control $3"
	tcp_before=$(tcp_memory) ours_before=$(our_memory) available_before=$(available)
	peer_start server server ${args[server]} --connections "$2" --deadline 120 \
		--netns "$ns" --port 7000
	published 7000
	peer_start client client ${args[client]} --streams "$2" --deadline 120 127.0.0.1 "$port"
	writers_blocked "$1" "$2"
	remark "$2 × $1 writes, $3: at most $((most / 1000)) kB each, $((total / MB)) MB in all," \
		"TCP memory $((($(tcp_memory) - tcp_before) / 1000)) kB," \
		"ours $((($(our_memory) - ours_before) / 1000)) kB," \
		"available $((($(available) - available_before) / MB)) MB"
	[ "$most" -le $((16 * MB)) ]
	unharmed
	peer_kill client
	peer_kill server
	if ! eventually 30 memory_is_back; then
		echo "TCP memory: $tcp_before before, $(tcp_memory) after"
		nsenter --net="$ns" ss -Htn | head
		echo "ours: $ours_before before, $(our_memory) after"
		echo "available: $available_before before, $(available) after"
		return 1
	fi
}

# Another connection through the same forwarder, meanwhile.
unharmed() {
	published 7001
	peer_start other-server server echo --netns "$ns" --port 7001
	peer_start other-client client echo --bytes 10m 127.0.0.1 "$port"
	peer_wait other-client
	[ "$status" = 0 ]
	peer_wait other-server
	[ "$status" = 0 ]
}

@test "a stopped reader costs 16 MB at most, and nothing after the end" {
	for DATAPATH in "${datapaths[@]}"; do
		attach_start -p 7001
		dmesg_mark
		for io in --epoll --blocking; do
			stopped client 1 $io
			stopped server 1 $io
		done
		portshunt_stop
		dmesg_is_clean
	done
}

@test "200 stopped readers cost 16 MB each at most, and nothing after the end" {
	for DATAPATH in "${datapaths[@]}"; do
		attach_start -p 7001
		dmesg_mark
		for io in --epoll --blocking; do
			stopped client 200 $io
			stopped server 200 $io
		done
		portshunt_stop
		dmesg_is_clean
	done
}
