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
	bpftool prog show | sed -n 's/^\([0-9]*\): .* name shunt_.*/\1/p' | sort
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

# held - a connection that has carried 100 messages of a byte each way, one after the other, so
# that the sender is in step with the relay at each; and stays open.
held() {
	local i

	attach_start
	[ -n "$(new_in_kernel)" ]
	peer_start server server hold --control --netns "$ns" --port 7000
	peer_start client client hold --control 127.0.0.1 "$port"
	peer_read client
	for ((i = 0; i < 100; i++)); do
		peer_ask client "ping 10000"
		[ "$line" = "answered 1, silent 0" ]
	done
}

# Bytes that went over the client's own leg: no redirected one does.
own_leg() {
	ss -Htin "dport = :$port" | sed -n 's/.*bytes_sent:\([0-9]*\).*/\1/p'
}

@test "after some messages they are redirected, and leave the client's own leg alone" {
	held
	echo "# $(own_leg) of 100 bytes over the client's own leg" >&3
	[ "$(own_leg)" -lt 50 ]
	portshunt_stop
	[ "$status" = 0 ]
	gone_from_kernel
}

@test "a sender that is faster than its receiver gets a short queue, and loses nothing" {
	attach_start --log-level debug
	peer_start server server sink --bytes 16m --read-pause 20 --read-size 64k --netns "$ns" --port 7000
	peer_start client client source --epoll --bytes 16m 127.0.0.1 "$port"
	peer_wait client
	[ "$status" = 0 ]
	peer_wait server
	[ "$status" = 0 ]
	grep -q "captured: the client's socket" "$dir/portshunt.err"
	grep -q "shorten the queue of the client's socket" "$dir/portshunt.err"
}

@test "SIGKILL of the forwarder: the connection ends, and nothing stays in the kernel" {
	held
	for pid in $(our_pids); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '@forwarder' || kill -KILL "$pid"
	done
	gone_from_kernel
	peer_stdin_eof client
	eventually 5 pid_ended "$portshunt_pid"
	wait "$portshunt_pid" || status=$?
	[ "$status" = 125 ]
	portshunt_pid=
	[ -z "$(own_leg)" ]
}
