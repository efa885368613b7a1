# SPDX-License-Identifier: Apache-2.0
# The shunt redirects, and what there is of it in the kernel goes with the forwarder, however
# that ends.

load lib

setup_file() {
	e2e_setup_file
	export DATAPATH=shunt
}

setup() {
	[ "$(id -u)" = 0 ] || skip "the shunt's programs can be loaded by root only"
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	e2e_setup
	before=$(in_kernel)
}

teardown() {
	[ -z "${before:-}" ] || e2e_teardown
}

teardown_file() {
	e2e_teardown_file
}

in_kernel() {
	bpftool prog show | grep -c 'name shunt_' || true
}

nothing_new_in_kernel() {
	[ "$(in_kernel)" = "$before" ]
}

# held - a client that has sent 200 MB over the shunt and keeps its connection.
held() {
	attach_start
	[ "$(in_kernel)" -gt "$before" ]
	peer_start server server sink --epoll --netns "$ns" --port 7000 --control
	peer_start client client source --epoll --bytes 200m --finish hold --control 127.0.0.1 "$port"
	eventually 30 all_arrived
}

# Bytes that the kernel says went over the client's own leg; empty without a connection.
own_leg() {
	ss -Htin "dport = :$port" | sed -n 's/.*bytes_sent:\([0-9]*\).*/\1/p'
}

# Redirected bytes reach the server's socket, which no leg of the client's counts.
all_arrived() {
	local received

	received=$(nsenter --net="$ns" ss -Htin "sport = :7000" |
		sed -n 's/.*bytes_received:\([0-9]*\).*/\1/p' | sort -n | tail -1)
	[ "${received:-0}" -ge $((200 * 1024 * 1024)) ]
}

@test "bulk is redirected: most of it never takes the client's own leg" {
	held
	echo "# $(own_leg) bytes of 209715200 over the client's own leg" >&3
	[ "$(own_leg)" -lt $((100 * 1024 * 1024)) ]
	portshunt_stop
	[ "$status" = 0 ]
	eventually 1 nothing_new_in_kernel
}

@test "SIGKILL of the forwarder: the connection ends, and nothing stays in the kernel" {
	held
	for pid in $(our_pids); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '@forwarder' || kill -KILL "$pid"
	done
	eventually 1 nothing_new_in_kernel
	peer_stdin_eof client
	eventually 5 pid_ended "$portshunt_pid"
	wait "$portshunt_pid" || status=$?
	[ "$status" = 125 ]
	portshunt_pid=
	[ -z "$(own_leg)" ]
}
