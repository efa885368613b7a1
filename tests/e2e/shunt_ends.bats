# SPDX-License-Identifier: Apache-2.0
# The shunt redirects, and what there is of it in the kernel goes with the forwarder, however
# that ends.

load lib
load programs_lib

setup_file() {
	e2e_setup_file
	export DATAPATH=shunt
}

setup() {
	[ "$(id -u)" = 0 ] || skip "the shunt's programs can be loaded by root only"
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	e2e_setup
	programs_note shunt_
}

teardown() {
	[ -z "${programs_before+set}" ] || e2e_teardown
}

teardown_file() {
	e2e_teardown_file
}

# messages N - of a byte each way, one after the other, so that the sender is in step with the
# relay at each.
messages() {
	local i

	for ((i = 0; i < $1; i++)); do
		peer_ask client "ping 10000"
		[ "$line" = "answered 1, silent 0" ]
	done
}

# held - a connection that has carried 100 messages, and stays open.
held() {
	attach_start
	[ -n "$(new_in_kernel)" ]
	peer_start server server hold --control --netns "$ns" --port 7000
	peer_start client client hold --control 127.0.0.1 "$port"
	peer_read client
	messages 100
}

# Bytes that went over the client's own leg: no redirected one does.
own_leg() {
	ss -Htin "dport = :$port" | sed -n 's/.*bytes_sent:\([0-9]*\).*/\1/p'
}

@test "after some messages they are redirected, and leave the client's own leg alone" {
	local before=0 moved n

	held
	moved=$(own_leg)
	# a process captures the socket meanwhile: how soon is a matter of what else the machine does
	for ((n = 100; n < 1000 && moved >= 50; n += 100)); do
		before=$(own_leg)
		messages 100
		moved=$(($(own_leg) - before))
	done
	echo "# $moved of the last 100 bytes of $n over the client's own leg" >&3
	[ "$moved" -lt 50 ]
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

# limited - is what waits unsent in the client's socket limited, by the last that was asked for?
limited() {
	local asked

	asked=$(grep -o "\(no longer \)\?shorten the queue of the client's socket" "$dir/portshunt.err" |
		tail -n 1)
	[[ $asked == shorten* ]]
}

@test "a sender that writes much at once has its queue for itself" {
	attach_start --log-level debug
	peer_start server server sink --bytes 32m --read-pause 20 --read-size 256k --netns "$ns" --port 7000
	peer_start client client source --epoll --bytes 32m --write-size 4m 127.0.0.1 "$port"
	peer_wait client
	[ "$status" = 0 ]
	peer_wait server
	[ "$status" = 0 ]
	grep -q "captured: the client's socket" "$dir/portshunt.err"
	run limited
	[ "$status" = 1 ]
}

@test "SIGKILL of the forwarder: the connection ends, and nothing stays in the kernel" {
	held
	forwarder_killed
	[ -z "$(own_leg)" ]
}

@test "SIGKILL in mid-stream: bulk both ways ends as other connections do" {
	bulk_killed up_redirected down_redirected
}

has_another_walker() {
	local now

	now=$(walker_of @netns) && [ "$now" != "$1" ]
}

@test "a walker that is killed: the container's comes again, without the host's all ends" {
	local killed

	attach_start
	eventually 5 walker_of @netns
	killed=$(walker_of @netns)
	kill -KILL "$killed"
	eventually 5 has_another_walker "$killed"
	kill -KILL "$(walker_of @forwarder)"
	eventually 5 pid_ended "$portshunt_pid"
	status=0
	wait "$portshunt_pid" || status=$?
	[ "$status" = 125 ]
	portshunt_pid=
	grep -q "the process that walks over the host's sockets is gone" "$dir/portshunt.err"
	gone_from_kernel
}

walker_hangs() {
	grep -q '^State:.*D (' "/proc/$(walker_of @forwarder)/status"
}

@test "somebody holds a socket's lock for ever: walks hang, connections go on" {
	local holder

	attach_start
	perl "$e2e_root/tests/tools/hold-lock.pl" "$dir/held" 3>&- &
	holder=$!
	eventually 5 test -e "$dir/held"
	peer_start server server bench --control --netns "$ns" --port 7000
	for way in "" --down; do
		run "$PEER" client throughput --epoll --seconds 0.3 --deadline 10 $way 127.0.0.1 "$port"
		echo "$output"
		[ "$status" = 0 ]
	done
	eventually 5 walker_hangs
	run "$PEER" client rr --epoll --flows 4 --seconds 0.3 --deadline 10 127.0.0.1 "$port"
	[ "$status" = 0 ]
	peer_stdin_eof server
	peer_wait server
	portshunt_stop
	[ "$status" = 0 ]
	kill -KILL "$holder"
	wait "$holder" || true
}
