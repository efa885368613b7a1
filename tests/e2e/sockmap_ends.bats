# SPDX-License-Identifier: Apache-2.0
# Sockmap relays without us, and what there is of it in the kernel goes with the forwarder,
# however that ends.

load lib

setup_file() {
	e2e_setup_file
	export DATAPATH=sockmap
}

setup() {
	[ "$(id -u)" = 0 ] || skip "the programs of sockmap can be loaded by root only"
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
	bpftool prog show | grep -c 'name sockmap_' || true
}

nothing_new_in_kernel() {
	[ "$(in_kernel)" = "$before" ]
}

# ping COUNT - a byte to and fro, one after the other
ping() {
	local i

	for ((i = 0; i < $1; i++)); do
		peer_ask client "ping 10000"
		[ "$line" = "answered 1, silent 0" ]
	done
}

# held - a connection that has carried enough to be in the kernel, and stays open
held() {
	attach_start
	[ "$(in_kernel)" -gt "$before" ]
	peer_start server server hold --control --netns "$ns" --port 7000
	peer_start client client hold --control 127.0.0.1 "$port"
	peer_read client
	ping 100
}

forwarder() {
	local pid

	for pid in $(our_pids); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '@forwarder' || echo "$pid"
	done
}

# How often the forwarder has gone to sleep.
sleeps() {
	sed -n 's/^voluntary_ctxt_switches:\t//p' "/proc/$(forwarder)/status"
}

client_is() {
	peer_ask client status && [ "$line" = "$1" ]
}

# killed - SIGKILL of the forwarder, and all that follows from it
killed() {
	kill -KILL "$(forwarder)"
	eventually 1 nothing_new_in_kernel
	eventually 5 pid_ended "$portshunt_pid"
	wait "$portshunt_pid" || status=$?
	[ "$status" = 125 ]
	portshunt_pid=
	[ -z "$(ss -Htn state established "dport = :$port")" ]
}

@test "after some messages the forwarder sleeps while they cross" {
	local slept

	held
	slept=$(sleeps)
	ping 100
	slept=$(($(sleeps) - slept))
	echo "# woken $slept times by 100 messages each way" >&3
	[ "$slept" -lt 20 ]
	portshunt_stop
	[ "$status" = 0 ]
	eventually 1 nothing_new_in_kernel
}

@test "SIGTERM: a connection in the kernel ends with a FIN" {
	held
	portshunt_stop
	eventually 5 client_is "open: 0, eof: 1, reset: 0"
}

@test "SIGKILL of the forwarder: the connection ends, and nothing stays in the kernel" {
	held
	killed
}
