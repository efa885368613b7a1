# SPDX-License-Identifier: Apache-2.0
# One of portshunt's processes is taken over: COMMAND speaks as the init, or somebody else as
# the forwarder. The others do not believe it, and can be ended.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

hostile="$BATS_TEST_DIRNAME/../tools/hostile.pl"

# errors N - so many lines say that something has failed
errors() {
	[ "$(grep -c '^portshunt: ' "$dir/portshunt.err")" = "$1" ] && return
	sed 's/^/portshunt said: /' "$dir/portshunt.err"
	return 1
}

unasked_walkers() {
	mkfifo -m 666 "$dir/sent"
	portshunt_start run --network none --log-level warn -p 80 -- sh -c "
		perl $hostile walkers 20000 >$dir/sent
		exec busybox httpd -f -p 80 -h $dir/www"
	[ "$(timeout 60 cat "$dir/sent")" = 20000 ]
	published 80
	eventually 5 page "http://127.0.0.1:$port/"
	process_of forwarder
	[ "$(find "/proc/$pid/fd" -type l | wc -l)" -lt 500 ]
	errors 0
	portshunt_stop TERM
	[ "$status" = 143 ]
	all_gone
}

@test "walkers that COMMAND sends as the init are closed, and ports are served" {
	unasked_walkers
}

@test "walkers that COMMAND sends as the init, as an ordinary user" {
	as user
	unasked_walkers
}

@test "captures with descriptors end the forwarder's ear for the init, and nothing else" {
	mkfifo -m 666 "$dir/sent"
	portshunt_start run --network none --log-level warn -p 80 -- sh -c "
		perl $hostile captures 20000 >$dir/sent
		exec sleep 60"
	# as many as there was room for until the first was read
	[ "$(timeout 60 cat "$dir/sent")" -lt 20000 ]
	said "a message of the netns child: bad message; no new connections are accepted"
	errors 1
	process_of forwarder
	[ "$(find "/proc/$pid/fd" -type l | wc -l)" -lt 500 ]
	portshunt_stop TERM
	[ "$status" = 143 ]
	all_gone
}

# forwarder_taken_over [OPTION...] - `attach`, whose forwarder, $pid, says nothing by itself
forwarder_taken_over() {
	[ "$(id -u)" = 0 ] || skip "takes root"
	socket=$dir/control
	netns_make
	control_start "${@:--p80}"
	process_of forwarder
	kill -STOP "$pid"
}

@test "a forwarder that lies about the number of rules is ended, with all of portshunt" {
	forwarder_taken_over
	perl "$hostile" rules "$pid" 20000 >"$dir/sent" 3>&- &
	refused "a message of the forwarder makes no sense: it was ended" list
	finish
	[ "$status" = 125 ]
	said "the forwarder sent a message that makes no sense, and was ended: ports are no longer"
	errors 1
	all_gone
}

# lists ID HOST_PORT CONTAINER_PORT REMOVED - what the forwarder says that there is
lists() {
	perl "$hostile" rule "$pid" "$@" >"$dir/sent" 3>&- &
}

# rule_is_not_believed ID HOST_PORT CONTAINER_PORT REMOVED - where rule 1 is port $port to 80 and open
rule_is_not_believed() {
	forwarder_taken_over -p "$port:80"
	lists 1 "$port" 80 0
	[ "$(rules)" = "1 0.0.0.0:$port 80 tcp 0 open" ]
	lists "$@"
	refused "a message of the forwarder makes no sense: it was ended" list
	finish
	[ "$status" = 125 ]
	errors 1
	all_gone
}

@test "a forwarder that lists another host port than it was given is ended" {
	free_port 2
	rule_is_not_believed 1 $((port + 1)) 80 0
}

@test "a forwarder that lists another container port than it was told is ended" {
	free_port 2
	rule_is_not_believed 1 "$port" 81 0
}

@test "a forwarder that lists a rule as removed that nobody has removed is ended" {
	free_port 2
	rule_is_not_believed 1 "$port" 80 1
}

@test "a forwarder that sends pages without end is ended, with all of portshunt" {
	forwarder_taken_over
	perl "$hostile" pages "$pid" >"$dir/sent" 3>&- &
	refused "a message of the forwarder makes no sense: it was ended" list
	finish
	[ "$status" = 125 ]
	errors 1
	all_gone
}

@test "many ports that a forwarder does not take are given up at once" {
	forwarder_taken_over
	# more requests to remove a rule than find room in a socket
	status=0
	control add $(seq 1 2000) || status=$?
	[ "$status" = 125 ]
	[ "$(cat "$dir/control.err")" = "portshunt: the forwarder has not answered within 5 s" ]
	kill -TERM "$portshunt_pid"
	finish
	[ "$status" = 0 ]
	soon 4000
	all_gone
}

@test "while a forwarder does not answer, SIGTERM ends portshunt" {
	forwarder_taken_over
	control list >/dev/null 2>&1 3>&- &
	# the request has been sent, and the reply is waited for
	[ "$(timeout 30 perl "$hostile" silent "$pid")" = 0 ]
	kill -TERM "$portshunt_pid"
	finish
	[ "$status" = 0 ]
	soon 4000
	all_gone
}
