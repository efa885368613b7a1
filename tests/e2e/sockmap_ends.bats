# SPDX-License-Identifier: Apache-2.0
# Sockmap relays without us, and what there is of it in the kernel goes with the forwarder,
# however that ends.

load lib
load programs_lib

setup_file() {
	e2e_setup_file
	export DATAPATH=sockmap
}

setup() {
	[ "$(id -u)" = 0 ] || skip "the programs of sockmap can be loaded by root only"
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	e2e_setup
	programs_note sockmap_
}

teardown() {
	[ -z "${programs_before+set}" ] || e2e_teardown
}

teardown_file() {
	e2e_teardown_file
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

# How often the forwarder has gone to sleep.
sleeps() {
	sed -n 's/^voluntary_ctxt_switches:\t//p' "/proc/$(pid_of @forwarder)/status"
}

client_is() {
	peer_ask client status && [ "$line" = "$1" ]
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

# spoil - as if the verdict of the first connection had missed bytes that the client sent
spoil() {
	local id value

	id=$(sed -n 's/^map_id:[[:space:]]*//p' "/proc/$(pid_of @forwarder)/fdinfo/"* | sort -u |
		while read -r id; do ! bpftool map show id "$id" | grep -q "name flows " || echo "$id"; done)
	value=($(bpftool -j map lookup id "$id" key 0 0 0 0 | grep -o '"value":\["[^]]*' |
		grep -o '0x[0-9a-f]*'))
	# sockmap_flow.broken
	value[42]=0x01
	bpftool map update id "$id" key 0 0 0 0 value "${value[@]}"
}

@test "bytes that the kernel has lost: both sides see a reset, and a line says so" {
	held
	spoil
	peer_ask client "ping 300"
	eventually 5 client_is "open: 0, eof: 0, reset: 1"
	peer_wait server
	[[ $output == *"open: 0, eof: 0, reset: 1" ]]
	grep -q "warning: sockmap: the kernel has lost bytes, .*: a connection is reset (--datapath=splice" \
		"$dir/portshunt.err"
	portshunt_stop
	[ "$status" = 0 ]
}

@test "SIGKILL of the forwarder: the connection ends, and nothing stays in the kernel" {
	held
	forwarder_killed
	[ -z "$(ss -Htn state established "dport = :$port")" ]
}

@test "SIGKILL in mid-stream: bulk both ways ends as other connections do" {
	bulk_killed up down
}

@test "SIGKILL between the messages of four connections that the kernel relays" {
	attach_start --control "$dir/control"
	peer_start server server bench --control --netns "$ns" --port 7000
	peer_start client client rr --epoll --flows 4 --seconds 60 --request 10 --response 10 \
		127.0.0.1 "$port"
	eventually 20 under_way 1000 up_redirected down_redirected
	forwarder_killed
	eventually 10 pid_ended "${peer_pid[client]}"
	grep -qE '^peer: rr: (ECONNRESET|ECONNABORTED|EPIPE)$' "$dir/client.err"
	[ -z "$(ss -Htn state established "dport = :$port")" ]
}
