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
	before=$(programs)
}

teardown() {
	[ -z "${before+set}" ] || e2e_teardown
}

teardown_file() {
	e2e_teardown_file
}

# programs - the ids of those in the kernel, ours and anybody's
programs() {
	bpftool prog show | sed -n 's/^\([0-9]*\): .* name sockmap_.*/\1/p' | sort
}

# Those that were there before do not count: the kernel may be late to free what an earlier
# test left.
new_in_kernel() {
	comm -13 <(echo "$before") <(programs)
}

# gone_from_kernel - within a second where nothing else runs; the deadline is for a busy machine
gone_from_kernel() {
	eventually 10 nothing_new_in_kernel || { bpftool prog show; return 1; }
}

nothing_new_in_kernel() {
	[ -z "$(new_in_kernel)" ]
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
	[ -n "$(new_in_kernel)" ]
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
	gone_from_kernel
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
	gone_from_kernel
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
