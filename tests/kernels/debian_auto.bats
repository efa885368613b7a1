# SPDX-License-Identifier: Apache-2.0
# On Debian 12's kernel (6.1), Debian 13's (6.12.117 and later) and those of its backports since 7.2
# every self-test of the shunt passes: `auto` takes it, and redirects what non-blocking applications
# send, either way, and nothing of blocking ones. Here the doctor's word is what is tested; elsewhere
# it is the tests' reference. run.sh leaves this out on any other kernel.

load ../e2e/lib
load ../e2e/control_lib

setup_file() {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	e2e_setup_file
}
setup() {
	e2e_setup
	socket=$dir/control
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

@test "the doctor finds no fault, and says that auto would pick the shunt" {
	run "$PORTSHUNT" doctor
	echo "$output"
	[ "$status" = 0 ]
	[ "${lines[-1]}" = "auto would pick shunt" ]
	[ "$(grep -c '^shunt ' <<<"$output")" -ge 9 ]
	[ -z "$(grep '^shunt ' <<<"$output" | grep -vE ' ok( |$)')" ]
}

# ended - no connection of any rule is left, and all that it carried is in the stats
ended() {
	[ "$("$PORTSHUNT" list --control "$socket" --json | grep -o '"connections":[0-9]*' |
		sort -u)" = '"connections":0' ]
}

# transactions CONTAINER_PORT IO - requests and responses for a second, both applications of that kind
transactions() {
	peer_start server server bench --control --netns "$ns" --port "$1"
	published "$1"
	run "$PEER" client rr "$2" --flows 2 --seconds 1 --request 10 --response 10 127.0.0.1 "$port"
	echo "$output"
	[ "$status" = 0 ]
	peer_stdin_eof server
	peer_wait server
	[ "$status" = 0 ]
}

# one_way CONTAINER_PORT WRITER IO READER IO - 64 MB from the one, a side, to the other
one_way() {
	local -A mode=([$2]="source $3" [$4]="sink $5")

	peer_start server server ${mode[server]} --bytes 64m --netns "$ns" --port "$1"
	published "$1"
	peer_start client client ${mode[client]} --bytes 64m 127.0.0.1 "$port"
	for name in client server; do
		peer_wait $name
		[ "$status" = 0 ]
	done
}

# one_way_redirected RULE_ID WAY ARG... - one_way, connection after connection, until one was: a
# sender is taken in when its queue is empty, which on one processor does not happen to each in time
one_way_redirected() {
	for _ in {1..10}; do
		one_way "${@:3}"
		[ "$(stat_of "$1" "$2_redirected")" = 0 ] || break
	done
}

# redirected RULE_ID WAY yes|no - were bytes that way, and something crossed at all
redirected() {
	local relayed bytes

	relayed=$(stat_of "$1" "$2_relayed") bytes=$(stat_of "$1" "$2_redirected")
	echo "# rule $1, $2: $relayed relayed, $bytes redirected" | tee /dev/fd/3
	[ $((relayed + bytes)) -gt 100 ]
	[ "$([ "$bytes" = 0 ] && echo no || echo yes)" = "$3" ]
}

@test "attach takes it by itself: non-blocking senders are redirected both ways, blocking ones are not" {
	netns_make
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		-p 7000 -p 7001 -p 7002 -p 7003 -p 7004 -p 7005
	[ "$(grep -w datapath "$dir/portshunt.err")" = "portshunt: datapath shunt" ]
	transactions 7000 --epoll
	transactions 7001 --blocking
	one_way_redirected 3 up 7002 client --epoll server --blocking
	one_way 7003 client --blocking server --epoll
	one_way_redirected 5 down 7004 server --epoll client --blocking
	one_way 7005 server --blocking client --epoll
	eventually 5 ended
	redirected 1 up yes
	redirected 1 down yes
	redirected 2 up no
	redirected 2 down no
	redirected 3 up yes
	redirected 4 up no
	redirected 5 down yes
	redirected 6 down no
	portshunt_stop
	[ "$status" = 0 ]
}
