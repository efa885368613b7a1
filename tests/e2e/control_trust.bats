# SPDX-License-Identifier: Apache-2.0
# What listens at a control socket and is no portshunt of this user, or not a sound one.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib
load take_over_lib

setup_file() { e2e_setup_file; }

setup() {
	control_setup
	options=(--netns "$ns" --child-ip 127.0.0.1)
}

teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# giver_start [OPTION...] - listens at $socket and answers by what it is told
giver_start() {
	peer_start giver server giver --socket "$socket" "$@"
}

# giver_end - sets $output to the requests that it got and nobody has read
giver_end() {
	peer_stdin_eof giver
	peer_wait giver
	rm -f "$socket"
}

# taker_runs [OPTION...] - takes over from the giver; sets $taker, what it says is in $dir/taker
taker_runs() {
	(
		children_close_fds
		# of a shell's background job SIGINT is ignored
		exec env --default-signal=INT "$PORTSHUNT" attach "${options[@]}" \
			--take-over "$socket" --log-level warn "$@" >"$dir/taker" 2>&1
	) &
	taker=$!
	ends_with_test+=("$taker")
}

# taker_ends SECONDS - sets $status and $took
taker_ends() {
	local from=${EPOCHREALTIME/./}

	eventually "$1" pid_ended "$taker" || { echo "it does not end"; return 1; }
	status=0
	wait "$taker" || status=$?
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

# taker_failed TEXT - with one line
taker_failed() {
	[[ $status = 125 && $(wc -l <"$dir/taker") = 1 && $(<"$dir/taker") == *"$1"* ]] && return
	echo "status $status, and:"
	cat "$dir/taker"
	return 1
}

# state_of RULES [LAST_ID] - as an old one would reply, of $ns
state_of() {
	printf '{"return":{"version":1,"last_id":%s,"netns":"%x:%x","rules":[%s]}}' \
		"${2:-9}" $(stat -L -c '%d %i' "$ns") "$1"
}

# rule_of ADDRESS - port $port of that address to port 80
rule_of() {
	printf '{"id":1,"asked":"%s:%s:80","bound":"%s:%s:80"}' "$1" "$port" "$1" "$port"
}

@test "what another user listens at is not asked, and nothing of it is printed" {
	user_need
	list='{"return":{"rules":[{"id":1,"host_ip":"6.6.6.6"}],"datapath":"bad","closed":66}}'
	who=$(id -u pstest)
	wrap=("${user_wrap[@]}")
	giver_start
	wrap=()
	peer_tell giver "again $list"
	for command in list "list --json" stats "stats --json" "add 80" "remove 80" \
		"reload 127.0.0.2"; do
		refused "control socket $socket: user id $who listens at it, not root or the user who asks" \
			$command
		grep -q "; run this as user id $who if its portshunt is meant" "$dir/control.err"
	done
	# its own user gets what it says
	[[ $(as_user "$PORTSHUNT" list --control "$socket") == *6.6.6.6* ]]
	giver_end
	[ "$output" = '{"execute":"list","arguments":{}}' ]
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

@test "SIGTERM and SIGINT end a command that waits" {
	for signal in TERM INT; do
		giver_start
		(
			children_close_fds
			exec env --default-signal=INT "$PORTSHUNT" list --control "$socket" >"$dir/taker" 2>&1
		) &
		taker=$!
		peer_read giver
		kill -$signal "$taker"
		taker_ends 3
		[ "$status" = $((128 + $(kill -l $signal))) ]
		[ ! -s "$dir/taker" ]
		peer_tell giver "- x"
		giver_end
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

# run_inside [OPTION...] -- SCRIPT - `portshunt run` as $who, with SCRIPT as COMMAND and $PORTSHUNT
# as $1, $socket as $2, $dir as $3, and page at port 80
run_inside() {
	local script=${*: -1} options=("${@:1:$#-2}")

	portshunt_start run --tmpdir "$tmpdir" --network none --log-level warn --control "$socket" \
		-p "$port:80" "${options[@]}" -- sh -c "
			busybox httpd -p 80 -h '$dir/www'
			{ $script; } >'$dir/said' 2>&1
			: >'$dir/done'
			sleep 3600" - "$PORTSHUNT" "$socket" "$dir"
	eventually 10 test -e "$dir/done"
	cat "$dir/said"
}

command_is_refused() {
	local denied="portshunt: access denied: the control socket of run is for its own network namespace, not for COMMAND's; give run --control-from-command to allow that"

	free_port 2
	run_inside -- '
		"$1" list --control "$2"; echo $?
		"$1" add --control "$2" '$((port + 1))':80; echo $?
		"$1" remove --control "$2" --id 1; echo $?
		unshare --net --fork --pid "$1" list --control "$2"; echo $?
		cd "$3"; "$1" list --control ./control; echo $?'
	[ "$(sort "$dir/said" | uniq -c | tr -s ' ')" = "$(printf ' 5 125\n 5 %s' "$denied")" ]
	said "control socket: process "
	not_listening $((port + 1))
	pages "$port"
	[ "$(rules)" = "1 0.0.0.0:$port 80 tcp 0 open" ]
	portshunt_stop TERM
}

@test "COMMAND of run as root is refused at the control socket" {
	need_root
	as root
	command_is_refused
}

@test "COMMAND of run as an ordinary user is refused at the control socket" {
	as user
	command_is_refused
}

command_is_allowed() {
	free_port 2
	run_inside --control-from-command -- '"$1" add --control "$2" '$((port + 1))':80; echo $?'
	[ "$(tail -1 "$dir/said")" = 0 ]
	published_ports+=($((port + 1)))
	pages $((port + 1))
	[ "$(rules | wc -l)" = 2 ]
	portshunt_stop TERM
}

@test "COMMAND of run as root may use it with --control-from-command" {
	need_root
	as root
	command_is_allowed
}

@test "COMMAND of run as an ordinary user may use it with --control-from-command" {
	as user
	command_is_allowed
}

@test "clients of any network namespace are served by attach" {
	portshunt_start attach "${options[@]}" --log-level warn --control "$socket" -p 80
	published 80
	[[ $(nsenter --net="$ns" "$PORTSHUNT" list --control "$socket") == *":$port "* ]]
}

@test "--control-from-command wants run and --control" {
	run -125 "$PORTSHUNT" attach "${options[@]}" --control "$socket" --control-from-command
	[ "$output" = "portshunt: attach runs no command: --control-from-command is an option of portshunt run" ]
	run -125 "$PORTSHUNT" run --network none --control-from-command -- true
	[ "$output" = "portshunt: --control-from-command: there is no control socket; give --control PATH as well" ]
}

# steers_nothing FILE - no control character but the end of a line
steers_nothing() {
	[ -s "$1" ] && ! LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$1" && return
	cat -v "$1"
	return 1
}

@test "what the other end names is printed without what steers a terminal" {
	giver_start
	bad='\u001b]2;PWNED\u0007'
	rule="{\"id\":1,\"spec\":\"$bad\",\"host_ip\":\"$bad\",\"host_port\":1,\"protocol\":\"$bad\",\"state\":\"$bad\",\"datapath\":\"$bad\"}"
	peer_tell giver "again {\"return\":{\"datapath\":\"$bad\",\"rules\":[$rule],\"connections\":[{\"id\":1,\"client\":\"$bad\"}]}}"
	for command in list "stats --connections" "add 80"; do
		control $command >"$dir/out"
		grep -qF '?]2;PWNED?' "$dir/out"
		steers_nothing "$dir/out"
	done
	giver_end
	# a reply as it is, from who does not write it as JSON wants it
	giver_start
	peer_tell giver $'- {"return":{"rules":"\e]2;PWNED\a"}}'
	control list --json >"$dir/out" || true
	steers_nothing "$dir/out"
	giver_end
}

@test "an interface's name does not steer the terminal" {
	ip -n "${ns##*/}" link add $'\e]2;PWNED\a' type veth peer name other
	ip -n "${ns##*/}" addr add 10.99.9.1/24 dev $'\e]2;PWNED\a'
	for json in "" --log-json; do
		portshunt_start attach --netns "$ns" -p 80 $json
		grep -qF "the container's address is 10.99.9.1, of interface ?]2;PWNED?" "$dir/portshunt.err"
		steers_nothing "$dir/portshunt.err"
		portshunt_stop
	done
}

# nofile_of KIND - the limits of open files, soft and hard
nofile_of() {
	process_of "$1"
	awk '/^Max open files/ { print $4, $5 }' "/proc/$pid/limits"
}

@test "the netns child may have as many descriptors in flight as the hard limit says" {
	wrap=(prlimit --nofile=100:5000)
	portshunt_start attach "${options[@]}" --log-level warn -p 80
	[ "$(nofile_of netns)" = "5000 5000" ]
	portshunt_stop
	portshunt_start run --network none --tmpdir "$tmpdir" -- \
		sh -c 'ulimit -Sn >"$1.new"; ulimit -Hn >>"$1.new"; mv "$1.new" "$1"; exec sleep 3600' - "$dir/limits"
	[ "$(nofile_of init)" = "5000 5000" ]
	# COMMAND has its own
	eventually 5 test -e "$dir/limits"
	[ "$(<"$dir/limits")" = $'100\n5000' ]
	portshunt_stop
}
