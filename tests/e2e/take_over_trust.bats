# SPDX-License-Identifier: Apache-2.0
# Who is taken over from and is no portshunt of this user, or not a sound one.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib
load giver_lib

setup_file() { e2e_setup_file; }

setup() {
	control_setup
	options=(--netns "$ns" --child-ip 127.0.0.1)
}

teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# rule_of ADDRESS - port $port of that address to port 80
rule_of() {
	printf '{"id":1,"asked":"%s:%s:80","bound":"%s:%s:80"}' "$1" "$port" "$1" "$port"
}

@test "nothing is taken over from another user" {
	user_need
	free_port
	wrap=("${user_wrap[@]}")
	giver_start --bind 127.0.0.1 --port "$port"
	wrap=()
	chmod 755 "$dir"
	peer_tell giver "channel $(state_of "$(rule_of 127.0.0.1)")"
	peer_tell giver 'tcp {"return":{}}'
	peer_tell giver 'again {"return":{"after":0,"sessions":[]}}'
	taker_runs --control "$dir/own"
	taker_ends 10
	taker_failed "--take-over $socket: control socket $socket: user id $(id -u pstest) listens at it"
	[ ! -e "$dir/own" ]
	giver_end
	[ -z "$output" ]
	not_listening "$port"
}

@test "a reply that comes byte by byte is given up, in one line" {
	giver_start
	peer_tell giver 'drip {"return":{}}'
	taker_runs
	peer_read giver
	[[ $line == '{"execute":"take-over"'* ]]
	taker_ends 10
	taker_failed "--take-over $socket: control socket $socket: no whole reply within 5 s"
	peer_read giver
	[ "$line" = "given up" ]
	giver_end
}

@test "pages of UDP sessions that come round again are an error" {
	giver_start
	peer_tell giver "channel $(state_of "")"
	peer_tell giver '- {"return":{}}'
	peer_tell giver 'again {"return":{"after":7,"sessions":[]}}'
	taker_runs --control "$socket"
	taker_ends 10
	taker_failed "--take-over $socket: the old portshunt's UDP sessions: page 7 follows page 7"
	giver_end
	[ "$(grep -c '"execute":"sessions"' <<<"$output")" = 2 ]
	[ "$(ls -A "$dir" | grep -c '~$')" = 0 ]
}

@test "an old one that says nothing more is given up after 5 seconds" {
	giver_start
	peer_tell giver "channel $(state_of "")"
	taker_runs
	taker_ends 10
	taker_failed "--take-over $socket: the old portshunt has not answered within 5 s"
	peer_tell giver "- x"
	giver_end
}

@test "SIGTERM and SIGINT end a take-over that waits" {
	for signal in TERM INT; do
		# before the first reply, and for one after it
		for steps in 1 2; do
			giver_start
			[ $steps = 1 ] || peer_tell giver "channel $(state_of "")"
			taker_runs
			for ((i = 0; i < steps; i++)); do
				peer_read giver
			done
			kill -$signal "$taker"
			taker_ends 3
			[ "$status" = 0 ]
			[ ! -s "$dir/taker" ]
			peer_tell giver "- x"
			giver_end
		done
	done
}

# wrong_listener KIND FAULT [OPTION...] - the taker refuses it; the old one, which opens it with those
# options, has a rule for port $port of 127.0.0.1
wrong_listener() {
	local kind=$1 fault=$2

	shift 2
	giver_start --bind 127.0.0.1 --port "$port" "$@"
	peer_tell giver "channel $(state_of "$(rule_of 127.0.0.1)")"
	peer_tell giver "$kind {\"return\":{}}"
	taker_runs --control "$dir/own"
	taker_ends 10
	taker_failed "--take-over $socket: the old portshunt's listener of 127.0.0.1:$port:80/tcp: it $fault; start this one where" ||
		return
	[ ! -e "$dir/own" ] || return
	giver_end
	# nothing after it
	[ "$(tail -1 <<<"$output")" = '{"execute":"sockets","arguments":{"rule":1,"protocol":"tcp","container_port":80,"count":1}}' ] ||
		{ echo "$output"; return 1; }
	not_listening "$port"
}

@test "a listener that is not what its rule says is not taken over" {
	free_port 2
	wrong_listener udp "is no TCP socket"
	wrong_listener bound "does not listen"
	wrong_listener tcp "is bound to another address or port" --port $((port + 1))
	wrong_listener tcp "is bound to another address or port" --bind 127.0.0.2
	wrong_listener tcp "is bound to another address or port" --bind 0.0.0.0
	wrong_listener tcp "is of another network namespace" --netns "$ns"
}

@test "a rule is bound as it was asked for, or not taken over" {
	local rule said="rule 1 is not bound as it was asked for"

	for rule in 8080:80/tcp,8081:80/tcp 8080:80/tcp,8080:81/tcp 80/tcp,8080:81/tcp \
		8080:80/tcp,8080:80/udp 127.0.0.1:8080:80/tcp,8080:80/tcp \
		8080-8081:80-81/tcp,8080:80/tcp 80-81/tcp,8080-8082:80-82/tcp; do
		giver_start
		peer_tell giver "channel $(state_of "{\"id\":1,\"asked\":\"${rule%,*}\",\"bound\":\"${rule#*,}\"}")"
		taker_runs -p 8080:80
		taker_ends 10
		taker_failed "--take-over $socket: bad reply: $said"
		giver_end
	done
}

@test "an old one that has used up the numbers of rules leaves none for new ones" {
	free_port
	giver_start
	peer_tell giver "channel $(state_of "" 4294967295)"
	taker_runs -p "$port:80"
	taker_ends 10
	taker_failed "--take-over $socket: no numbers are left for 1 more rules: the last one is 4294967295; start"
	giver_end
	not_listening "$port"
	# without new ones it is as good as any, and says so when it is asked for one
	giver_start
	peer_tell giver "channel $(state_of "" 4294967295)"
	peer_tell giver '- {"return":{}}'
	peer_tell giver '- {"return":{"after":0,"sessions":[]}}'
	peer_tell giver '- {"return":{}}'
	portshunt_start attach "${options[@]}" --take-over "$socket" --control "$dir/own"
	giver_end
	socket=$dir/own
	refused "no numbers are left for 1 more rules" add "$port:80"
	[ "$(rules | wc -l)" = 0 ]
	portshunt_stop
}

# udp_rule - as rule_of, to port 7001
udp_rule() {
	printf '{"id":1,"asked":"%s","bound":"%s"}' "127.0.0.1:$port:7001/udp"{,}
}

# session_of RULE PORT
session_of() {
	printf '{"return":{"after":0,"sessions":[{"rule":%s,"container_port":%s,"replied":true,"client":"::ffff:127.0.0.1","client_port":4444,"local":"::ffff:127.0.0.1","scope":0}]}}' "$@"
}

# hand_over_session KIND SESSION - an old one with udp_rule, whose one session has that socket
hand_over_session() {
	giver_start --bind 127.0.0.1 --port "$port"
	peer_tell giver "channel $(state_of "$(udp_rule)")"
	peer_tell giver 'udp {"return":{}}'
	peer_tell giver '- {"return":{}}'
	peer_tell giver "$1 $2"
}

# wrong_session KIND FAULT [RULE PORT] - the taker refuses it, and the old one goes on
wrong_session() {
	local kind=$1 fault=$2

	shift 2
	[ $# -gt 0 ] || set -- 1 7001
	hand_over_session "$kind" "$(session_of "$@")"
	taker_runs --control "$dir/own"
	taker_ends 10
	taker_failed "--take-over $socket: the old portshunt$fault" || return
	[ ! -e "$dir/own" ] || return
	giver_end
	[ "$(tail -1 <<<"$output")" = '{"execute":"sessions","arguments":{"after":0}}' ]
}

@test "a UDP session that is not the container's is not taken over" {
	local socket_is="'s socket of a UDP session of rule 1: it "

	free_port
	wrong_session "to /proc/self/ns/net 127.0.0.1 7001" "${socket_is}is of another network namespace than the container"
	wrong_session "to /proc/self/ns/net 127.0.0.1 0" "${socket_is}is of another network namespace than the container"
	wrong_session tcp "${socket_is}is no UDP socket"
	wrong_session channel "${socket_is}is no UDP socket"
	for published in "2 7001" "1 7000" "1 7002"; do
		wrong_session "to $ns 127.0.0.1 7001" " has a UDP session of rule ${published% *} to port ${published#* }, which it does not publish" $published
	done
}

@test "of UDP sessions those that lead to the rule's port are taken over" {
	free_port
	for to in "127.0.0.1 7001 1" "127.0.0.1 7000 0" "127.0.0.2 7001 0" "127.0.0.1 0 0"; do
		hand_over_session "to $ns ${to% *}" "$(session_of 1 7001)"
		peer_tell giver '- {"return":{}}'
		portshunt_start attach "${options[@]}" --take-over "$socket"
		said "took over 1 rule, 1 listener, ${to##* } UDP session"
		giver_end
		portshunt_stop
	done
}

@test "the listener that its rule says is taken over" {
	free_port
	giver_start --bind 127.0.0.1 --port "$port"
	peer_tell giver "channel $(state_of "$(rule_of 127.0.0.1)")"
	peer_tell giver 'tcp {"return":{}}'
	peer_tell giver '- {"return":{}}'
	peer_tell giver '- {"return":{"after":0,"sessions":[]}}'
	peer_tell giver '- {"return":{}}'
	portshunt_start attach "${options[@]}" --take-over "$socket"
	page "http://127.0.0.1:$port/"
	giver_end
	portshunt_stop
}
