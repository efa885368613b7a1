# SPDX-License-Identifier: Apache-2.0
# Nothing waits for a log: with a standard error that is full and that nobody reads, connections
# and datagrams pass, `list` answers, and SIGTERM ends; later the log says how many lines it lost.

load lib
load control_lib

setup_file() { e2e_setup_file; }
setup() {
	e2e_setup
	socket=$dir/control
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# full_stderr - sets $err, a pipe that is full, and $err_fd, its reader
full_stderr() {
	err=$dir/full
	mkfifo "$err"
	exec {err_fd}<>"$err"
	peer_in[err]=$err_fd # children_close_fds closes it in what is started later
	dd if=/dev/zero of="$err" bs=4096 count=100 oflag=nonblock 2>/dev/null || true
}

# echoed WAY... - bytes go there and back; the server takes one connection
echoed() {
	peer_start server server echo --netns "$ns" --port 7000
	run timeout 20 "$PEER" client echo --bytes 100k "$@"
	echo "$output"
	[ "$status" = 0 ]
	peer_kill server
}

# log_read - sets $log to all that is in the pipe, but for what filled it
log_read() {
	log=$(timeout 5 dd bs=65536 count=16 iflag=nonblock <&"$err_fd" 2>/dev/null | tr -d '\0') || true
}

@test "a standard error that nobody reads stops no connection, no list, and no end" {
	netns_make
	full_stderr
	free_port 2
	published_ports+=("$port" $((port + 1)))
	"$PORTSHUNT" attach --netns "$ns" --child-ip 127.0.0.1 --datapath splice --control "$socket" \
		--log-level debug --rule-limit connections=1 -p "$port":7000 -p $((port + 1)):7001 \
		2>"$err" {err_fd}>&- &
	local pid=$!
	eventually 10 listening "$port"
	eventually 10 test -S "$socket"
	for _ in {1..20}; do
		echoed 127.0.0.1 "$port"
	done
	[ "$(control list | grep -c "^[0-9]")" = 2 ]
	# room again: the next line comes after one that says what is missing
	log_read
	[ -z "$log" ] # what there was no room for is gone
	echoed 127.0.0.1 "$port"
	eventually 5 said_dropped
	dd if=/dev/zero of="$err" bs=4096 count=100 oflag=nonblock 2>/dev/null || true
	kill "$pid"
	eventually 5 pid_ended "$pid"
	wait "$pid"
}

listening_there() {
	[ -n "$(nsenter --net="$ns" ss -Htln "sport = :$port")" ]
}

said_dropped() {
	log_read
	grep -qE '^portshunt: warning: [0-9]+ log lines were dropped: nobody read standard error$' <<<"$log"
}

@test "docker-proxy relays while nobody reads its standard error" {
	need_root
	netns_make
	full_stderr
	free_port
	published_ports+=("$port")
	ln -s "$PORTSHUNT" "$dir/docker-proxy"
	PORTSHUNT_RULE_LIMIT=connections=1 nsenter --net="$ns" "$dir/docker-proxy" -proto tcp \
		-host-ip 127.0.0.1 -host-port "$port" -container-ip 127.0.0.1 -container-port 7000 \
		2>"$err" {err_fd}>&- &
	local pid=$!
	eventually 10 listening_there
	for _ in {1..5}; do
		echoed --netns "$ns" 127.0.0.1 "$port"
	done
	kill "$pid"
	eventually 5 pid_ended "$pid"
	wait "$pid" || true
}
