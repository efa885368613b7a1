# SPDX-License-Identifier: Apache-2.0
# Stopped readers, thousands of idle connections, no file descriptors left: nobody else is
# harmed, nothing grows, and all goes on afterwards.

load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

MB=1000000

# forwarder_fds - how many descriptors all our processes have; forwarder_pss - KiB.
forwarder_fds() {
	local pid n=0

	for pid in $(our_pids); do
		n=$((n + $(ls "/proc/$pid/fd" | wc -l)))
	done
	echo $n
}

forwarder_pss() {
	local pid n=0

	for pid in $(our_pids); do
		n=$((n + $(awk '$1 == "Pss:" { print $2 }' "/proc/$pid/smaps_rollup")))
	done
	echo $n
}

# blocked NAME - reads "blocked: N bytes accepted" of that peer; sets $accepted.
blocked() {
	peer_read "$1"
	[[ $line =~ ^blocked:\ ([0-9]+)\ bytes\ accepted$ ]]
	accepted=${BASH_REMATCH[1]}
}

# stopped WHERE SERVER_MODE CLIENT_MODE - one of them a sink that reads 100 KB and stops.
stopped() {
	local where=$1 writer=client reader=server to
	local -A args=([sink]="--stop-after 100k --control" [source]="--until-blocked 400")

	[ "$2" = sink ] || { writer=server reader=client; }
	client_to "$where"
	peer_start server server "$2" ${args[$2]} --bytes 64m --netns "$ns" --port 7000
	peer_start client client "$3" ${args[$3]} --bytes 64m "${to[@]}"
	blocked $writer
	echo "# $where, $2 and $3: $accepted bytes accepted" >&3
	[ "$accepted" -gt 102400 ]
	[ "$accepted" -le $((24 * MB)) ]
	unharmed "$where"
	peer_tell $reader resume
	peer_wait client
	[ "$status" = 0 ]
	peer_wait server
	[ "$status" = 0 ]
}

# Another connection through the same forwarder, meanwhile.
unharmed() {
	local port=$port to

	[ "$1" != native ] || return 0
	published 7001
	client_to "$1"
	peer_start other-server server echo --netns "$ns" --port 7001
	peer_start other-client client echo --bytes 10m "${to[@]}"
	peer_wait other-client
	[ "$status" = 0 ]
	peer_wait other-server
}

@test "a reader that stops holds up its own writer only, at 24 MB at most" {
	attach_start -p 7001
	for where in native "${families[@]}"; do
		stopped "$where" sink source
		stopped "$where" source sink
	done
}

@test "a writer whose reader has stopped costs no memory beyond the sockets" {
	attach_start
	before=$(forwarder_pss)
	peer_start server server sink --stop-after 0 --control --connections 20 --netns "$ns" --port 7000
	peer_start client client source --bytes 64m --streams 20 --until-blocked 300 127.0.0.1 "$port"
	for i in {1..20}; do
		blocked client
	done
	after=$(forwarder_pss)
	echo "# Pss $before KiB before, $after KiB with 20 stopped readers" >&3
	[ $((after - before)) -le 2048 ]
	peer_tell server resume
	peer_wait client
	[ "$status" = 0 ]
	peer_wait server
	[ "$status" = 0 ]
}

near_start() {
	[ "$(forwarder_fds)" -le $((fds_before + 200)) ]
}

# idle WHERE - 8000 connections that each carried a byte to and fro and then nothing
idle() {
	local count=8000 to pss_before pss_after fds_after processes

	client_to "$1"
	peer_start server server hold --connections $count --netns "$ns" --port 7000 --deadline 120
	processes=$(our_pids | xargs)
	pss_before=$(forwarder_pss)
	fds_before=$(forwarder_fds)
	peer_start client client hold --connections $count --ping --control --deadline 120 "${to[@]}"
	peer_read client
	[ "$line" = "holding $count" ] || { echo "$line"; false; }
	peer_read server
	[ "$line" = "holding $count" ]
	pss_after=$(forwarder_pss)
	fds_after=$(forwarder_fds)
	echo "# IPv$1: $(((pss_after - pss_before) * 1024 / count)) bytes," \
		"$(((fds_after - fds_before) * 100 / count))/100 fds each" >&3
	[ $((pss_after - pss_before)) -le $((4 * count)) ]
	[ $(((fds_after - fds_before) * 10)) -le $((22 * count)) ]
	peer_ask client "ping 5000"
	[ "$line" = "answered $count, silent 0" ] || { echo "$line"; false; }
	peer_stdin_eof client
	peer_wait client
	# a deadline: nothing in the program waits before it closes them
	eventually 10 near_start || { echo "$fds_before fds before, $(forwarder_fds) after"; false; }
	peer_wait server
	[ "$output" = "open: 0, eof: $count, reset: 0" ]
	[ "$(our_pids | xargs)" = "$processes" ]
}

@test "8000 idle connections cost little, and nothing once they are gone" {
	[ "$(ulimit -Hn)" -ge 17000 ] || skip "the hard limit of open files is $(ulimit -Hn), not 17000"
	attach_start
	for where in "${families[@]}"; do
		idle "$where"
	done
}

@test "no file descriptors left: what is open goes on, new clients wait, one line says so" {
	local began=$SECONDS

	wrap=(prlimit --nofile=300:300)
	attach_start -p 7001
	wrap=()
	crowd=$port
	published 7001

	# a connection in the middle of its data, and one that is idle
	peer_start source server source --bytes 64m --netns "$ns" --port 7001
	peer_start sink client sink --bytes 64m --stop-after 1m --control 127.0.0.1 "$port"
	peer_start server server hold --connections 400 --control --netns "$ns" --port 7000
	peer_start first client hold --ping --control 127.0.0.1 "$crowd"
	peer_read first
	[ "$line" = "holding 1" ]

	peer_start crowd client hold --connections 400 --control 127.0.0.1 "$crowd"
	peer_read crowd
	[ "$line" = "holding 400" ]
	peer_ask crowd "ping 500"
	echo "# with 300 descriptors: $line" >&3
	[[ $line =~ ^answered\ ([0-9]+),\ silent\ ([0-9]+)$ ]]
	answered=${BASH_REMATCH[1]} silent=${BASH_REMATCH[2]}
	[ "$answered" -ge 50 ]
	[ "$silent" -ge 100 ]

	# those who are in still move data, all of them
	peer_ask first "ping 2000"
	[ "$line" = "answered 1, silent 0" ]
	peer_ask crowd "ping 500"
	[ "$line" = "answered $answered, silent $silent" ]
	peer_tell sink resume
	peer_wait sink
	[ "$status" = 0 ]
	peer_wait source
	[ "$status" = 0 ]

	# who leaves makes room for who waits
	while [ "$silent" -gt 0 ]; do
		peer_ask crowd "close 50"
		[ "$line" = "closed 50" ]
		peer_ask crowd "ping 500"
		[[ $line =~ ^answered\ ([0-9]+),\ silent\ ([0-9]+)$ ]]
		[ "${BASH_REMATCH[2]}" -lt "$silent" ] || { echo "after a close: $line"; false; }
		silent=${BASH_REMATCH[2]}
	done
	peer_ask crowd status
	[[ $line == *"eof: 0, reset: 0" ]]
	warnings=$(grep -c 'warning: .*too many open files' "$dir/portshunt.err" || true)
	# one in ten seconds, which both clocks count whole: 10 may be 9 and a bit, and 9 of ours
	most=$((1 + (SECONDS - began + 1) / 10))
	[ "$warnings" -ge 1 ] && [ "$warnings" -le $most ] ||
		{ echo "$warnings warnings, not 1 to $most:"; cat "$dir/portshunt.err"; false; }
	for name in crowd first server; do
		peer_stdin_eof $name
		peer_wait $name
		[ "$status" = 0 ]
	done
}
