# SPDX-License-Identifier: Apache-2.0
# attach --take-over that comes to nothing: the old one goes on as if nothing had been.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib
load take_over_lib

setup_file() { e2e_setup_file; }
setup() { control_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# unchanged - $port is published, the rules are $before, and the control socket is the old one's
unchanged() {
	page "http://127.0.0.1:$port/" || return
	[ "$(rules)" = "$before" ] || { rules; return 1; }
	[ "$(ls -A "$dir" | grep -c '^control\..*~$')" = 0 ]
}

# taker_start - takes over by hand; its first request is under way
taker_start() {
	peer_start "$1" server taker --socket "$socket"
	peer_ask "$1" '{"execute":"take-over","arguments":{"version":1,"drain_timeout":60}}'
}

# step NAME STEP [ARGUMENTS] - sets $line to the reply
step() {
	peer_ask "$1" "{\"execute\":\"$2\",\"arguments\":${3:-{\}}}"
}

@test "a start that fails before it has all changes nothing" {
	first_start -p 80 -p 8000-8001/udp --log-level warn
	published 80
	before=$(rules)
	inode=$(stat -c %i "$socket")
	peer_start busy server sink --bind 127.0.0.1
	refused_start "--take-over $socket: listen tcp 127.0.0.1:${peer_port[busy]}: bind: address already in use" \
		-p "127.0.0.1:${peer_port[busy]}:80"
	unchanged
	refused_start "cannot publish 127.0.0.1:$port:81/tcp: rule 1, $port:80/tcp, has the same host port" \
		-p "127.0.0.1:$port:81"
	unchanged
	refused_start "--take-over $socket" --control "$dir/other" -p "127.0.0.1:${peer_port[busy]}:80"
	[ ! -e "$dir/other" ]
	unchanged
	[ "$(stat -c %i "$socket")" = "$inode" ]
	grep -q "has not taken over: it is gone; this one goes on" "$dir/portshunt.err"
	# and then one that does it
	take_over
	ended "$old"
	unchanged
	[ "$(stat -c %i "$socket")" != "$inode" ]
}

@test "a taker that goes away, whatever it has got by then" {
	first_start -p 80 -p 80/udp
	published 80
	before=$(rules)
	noticed() { [ "$(grep -c "has not taken over: it is gone; this" "$dir/portshunt.err")" = "$1" ]; }
	for steps in 0 1 2 3; do
		taker_start taker
		[[ $line == '{"return":{"version":1,"last_id":2,'*'"rules":[{"id":1,"asked":"80/tcp","bound":"'$port':80/tcp"},'*'fds: 1' ]]
		refused "another portshunt is taking over" add 81
		refused "another portshunt is taking over" remove --id 1
		refused "another portshunt is taking over" reload 127.0.0.2
		refused_start "another portshunt is taking over"
		if [ $steps -gt 0 ]; then
			step taker sockets '{"rule":1,"protocol":"tcp","container_port":80,"count":64}'
			[ "$line" = '{"return":{}} fds: 1' ]
			step taker sockets '{"rule":2,"protocol":"udp","container_port":80,"count":1}'
			[ "$line" = '{"return":{}} fds: 1' ]
		fi
		if [ $steps -gt 1 ]; then
			step taker commit
			[ "$line" = '{"return":{}}' ]
		fi
		if [ $steps -gt 2 ]; then
			step taker sessions '{"after":0}'
			[ "$line" = '{"return":{"after":0,"sessions":[]}}' ]
		fi
		peer_kill taker
		eventually 5 noticed $((steps + 1))
		unchanged
	done
}

@test "a taker that is killed when the control socket is its own already" {
	first_start -p 80
	published 80
	before=$(rules)
	inode=$(stat -c %i "$socket")
	taker_start taker
	step taker commit
	# what it does next: its socket takes the place of the old one's, which is beside it
	mv "$socket" "$dir/$(printf '.%x~' "$inode")"
	perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)' "$socket"
	[ "$(stat -c %i "$socket")" != "$inode" ]
	peer_kill taker
	there() { [ "$(stat -c %i "$socket")" = "$inode" ]; }
	eventually 5 there
	unchanged
	[ "$(ls -A "$dir" | grep -c '~$')" = 0 ]
	take_over
	ended "$old"
	unchanged
}

@test "a taker that stalls: clients wait, not for long, and nobody else takes over" {
	first_start -p 80
	published 80
	before=$(rules)
	taker_start taker
	step taker commit
	[ "$line" = '{"return":{}}' ]
	timeout 20 busybox wget -q -O "$dir/late" "http://127.0.0.1:$port/" 3>&- &
	client=$!
	control stats >/dev/null
	refused "another portshunt is taking over" add 81
	[ "$(rules)" = "$before" ]
	[ ! -s "$dir/late" ]
	peer_tell taker ""
	peer_read taker
	[ "$line" = '{"error":{"desc":"it has said nothing for too long"}}' ]
	wait $client
	[ "$(cat "$dir/late")" = "a page" ]
	step taker done
	[[ $line == EOF || $line == ECONNRESET ]]
	unchanged
	said "has not taken over: it has said nothing for too long; this one goes on"
}

@test "what no taker says: an error, the end, and no harm" {
	first_start -p 80
	published 80
	before=$(rules)
	while IFS='|' read -r text why; do
		taker_start taker
		peer_ask taker "$text"
		[[ $line == '{"error":{"desc":"'*"$why"*'"}}' ]] || { echo "$text: $line"; false; }
		peer_ask taker '{"execute":"commit"}'
		[[ $line == EOF || $line == ECONNRESET ]]
		peer_kill taker
		unchanged
	done <<-'END'
		x|bad request: invalid JSON
		{}|is no step of a take-over
		{"execute":"done"}|done comes after commit
		{"execute":"sessions","arguments":{"after":0}}|sessions comes after commit
		{"execute":"sockets"}|\"protocol\" is neither
		{"execute":"sockets","arguments":{"rule":9,"protocol":"tcp","container_port":80,"count":1}}|no such file
		{"execute":"sockets","arguments":{"rule":1,"protocol":"udp","container_port":80,"count":1}}|no such file
		{"execute":"sockets","arguments":{"rule":1,"protocol":"tcp","container_port":81,"count":1}}|no such file
		{"execute":"sockets","arguments":{"rule":1,"protocol":"tcp","container_port":80,"count":65}}|from 1 to 64
		{"execute":"commit","arguments":{"x":1}}|takes no argument
	END
	refused_by() { [[ $(raw raw "$1") == *"$2"* ]]; }
	refused_by '{"execute":"take-over"}' 'take-over wants'
	refused_by '{"execute":"take-over","arguments":{"version":2,"drain_timeout":1}}' 'hands over by version 1, not 2'
	refused_by '{"execute":"take-over","arguments":{"version":1,"drain_timeout":604801}}' 'from 0 to 604800'
	unchanged
}

@test "an old one that dies on the way, or is none" {
	first_start -p 80
	before=$(supervisor_fds)
	process_of forwarder
	kill -STOP "$pid"
	"$PORTSHUNT" attach "${options[@]}" --take-over "$socket" 2>"$dir/new.err" 3>&- &
	new=$!
	connected() { [ "$(supervisor_fds)" -ge $((before + 2)) ]; }
	eventually 5 connected
	kill -KILL "$portshunt_pid"
	# it dies with its parent, and may be reaped already
	kill -KILL "$pid" 2>/dev/null || true
	status=0
	wait $new || status=$?
	[ $status = 125 ]
	[[ $(tail -1 "$dir/new.err") == "portshunt: --take-over $socket: the old portshunt is gone" ]]
	finish
	all_gone
	[ "$(ls -A "$dir" | grep -c '~$')" = 0 ]
	refused_start "--take-over $socket: cannot connect to control socket $socket: connection refused"
	rm -f "$socket"
	refused_start "--take-over $socket: cannot connect to control socket $socket: no such file"
	[ ! -e "$socket" ]
	refused_start "--take-over $dir: cannot connect" --take-over "$dir"
}

@test "an old one without rules, and one at another socket" {
	first_start
	options=(--netns "$ns" --child-ip 127.0.0.1 --control "$dir/other" -p 80)
	take_over
	said "took over 0 rules"
	ended "$old"
	[ ! -e "$socket" ]
	socket=$dir/other
	published 80
	page "http://127.0.0.1:$port/"
	[ "$(rules)" = "1 0.0.0.0:$port 80 tcp 0 open" ]
	# without a control socket of its own
	options=(--netns "$ns" --child-ip 127.0.0.1)
	take_over
	ended "$old"
	[ ! -e "$socket" ]
	page "http://127.0.0.1:$port/"
}

@test "another user gets nothing" {
	user_need
	first_start -p 80
	published 80
	before=$(rules)
	chmod 666 "$socket"
	run -125 as_user "$PORTSHUNT" attach --pid $$ --take-over "$socket"
	[[ $output == *"access denied"* || $output == *"permission denied"* ]]
	wrap=("${user_wrap[@]}")
	taker_start taker
	wrap=()
	[[ $line == '{"error":{"desc":"access denied: '* && $line != *fds* ]]
	unchanged
}

@test "run is not taken over from, and does not take over" {
	portshunt_start run --network none --control "$socket" -p 80 -- sleep 60
	options=(--netns "$ns")
	refused_start "--take-over $socket: portshunt run cannot be taken over from: its command ends with it"
	run -125 "$PORTSHUNT" run --take-over "$socket" -- true
	[[ $output == *"run starts a command of its own: --take-over and --drain-timeout are options of portshunt attach" ]]
	refused_start "exclude each other" --network slirp4netns
	refused_start '--drain-timeout "x" is not a number' --drain-timeout x
	refused_start "--drain-timeout 604801: at most 604800" --drain-timeout 604801
	page_of() { control list | grep -c open; }
	[ "$(page_of)" = 1 ]
}
