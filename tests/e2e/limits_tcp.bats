# SPDX-License-Identifier: Apache-2.0
# The limits that are set: newcomers wait at each, whoever is in and whoever comes to another
# rule is not harmed, one line says so, it is counted, and all goes on when there is room.

bats_require_minimum_version 1.5.0
load lib
load udp_lib
load limits_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { late_stop; e2e_teardown; }
teardown_file() { e2e_teardown_file; }

@test "connections of a rule: the sixth waits until one of five ends" {
	limits_start --rule-limit connections=5 -p 7001
	servers_start 7000 7001
	clients crowd 7000 5
	# nobody has waited so far
	not_warned
	[ "$(reached 1 connections)" = 0 ]
	asked crowd "open 3" "opened 3"
	asked crowd "ping 500" "answered 5, silent 3"
	not_spinning 500
	clients others 7001 5
	warned "rule 1, $port7000:7000/tcp: --rule-limit connections=5 is reached"
	[ "$(reached 1 connections)" -ge 1 ]
	[ "$(reached 2 connections)" = 0 ]
	asked crowd "close 2" "closed 2"
	eventually 5 answered crowd 5 1
	asked crowd "close 3" "closed 3"
	eventually 5 answered crowd 3 0
	asked crowd status "open: 3, eof: 0, reset: 0"
	warned "--rule-limit connections=5 is reached"
}

@test "connections of all rules: whoever came first is let in first" {
	limits_start --limit connections=6 -p 7001
	servers_start 7000 7001
	clients crowd 7000 6
	asked crowd "open 2" "opened 2"
	asked crowd "ping 300" "answered 6, silent 2"
	peer_start others client hold --connections 2 --control 127.0.0.1 "$port7001"
	peer_read others
	asked others "ping 300" "answered 0, silent 2"
	warned "warning: --limit connections=6 is reached"
	[ "$(reached total connections)" -ge 2 ]
	[ "$(reached 1 connections)" = "" ]
	# one place, and two rules that want it: they take turns
	asked crowd "close 1" "closed 1"
	eventually 5 answered crowd 6 1
	asked crowd "close 1" "closed 1"
	eventually 5 answered others 1 1
	asked crowd "close 6" "closed 6"
	eventually 5 answered others 2 0
	warned "--limit connections=6 is reached"
}

@test "a rule that is removed when it is its turn: it is the next one's" {
	limits_start --limit connections=1 -p 7001
	servers_start 7001
	peer_start server server sink --stop-after 0 --control --netns "$ns" --port 7000
	peer_start first client exchange --send 1000 --finish shutdown 127.0.0.1 "$port7000"
	connections_are() { [ "$("$PORTSHUNT" list --control "$dir/control" | awk 'NR == 2 { print $5 }')" = "$1" ]; }
	eventually 5 connections_are 1
	for n in 7000 7001; do
		to=port$n
		peer_start "at-$n" client hold --control 127.0.0.1 "${!to}"
		peer_read "at-$n"
		waits() { [ "$(reached total connections)" = "$1" ]; }
		eventually 5 waits $((n - 6999))
	done
	# the end of the first one, and then the removal, are found in one turn
	forwarder=$(pid_of @forwarder)
	fds=$(find "/proc/$portshunt_pid/fd" | wc -l)
	kill -STOP "$forwarder"
	stopped() { grep -q '^State:.T' "/proc/$forwarder/status"; }
	eventually 5 stopped
	peer_kill server
	"$PORTSHUNT" remove --control "$dir/control" --id 1 3>&- &
	removing=$!
	asked_to() { [ "$(find "/proc/$portshunt_pid/fd" | wc -l)" -gt "$fds" ]; }
	eventually 5 asked_to
	kill -CONT "$forwarder"
	wait $removing
	eventually 5 answered at-7001 1 0
}

@test "connections of a range of ports are counted together" {
	limits_began=$SECONDS
	netns_make
	free_port 20
	ports=$port
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --control "$dir/control" \
		--rule-limit connections=3 -p 127.0.0.1:$port-$((port + 19)):7000-7019
	peer_start server server hold --control --connections 1000 --netns "$ns" --port 7000-7019
	for ((i = 0; i < 20; i++)); do
		peer_start "at-$i" client hold --control 127.0.0.1 $((ports + i))
		peer_read "at-$i"
	done
	# those who are in leave, and all the others get their turn
	left=$(seq 0 19)
	while [ -n "$left" ]; do
		eventually 5 someone_answers $left
		peer_kill "at-$who"
		left=$(xargs -n 1 <<<"$left" | grep -vx "$who" || true)
	done
	warned "--rule-limit connections=3 is reached"
}

@test "connect-rate of a rule: all come, one after the other" {
	limits_start --rule-limit connect-rate=20 -p 7001
	servers_start 7000 7001
	begin=${EPOCHREALTIME/./}
	peer_start crowd client hold --connections 30 --control 127.0.0.1 "$port7000"
	peer_read crowd
	clients others 7001 1
	asked crowd "ping 5000" "answered 30, silent 0"
	took=$((${EPOCHREALTIME/./} - begin))
	# 2 at once, 28 more in 1.4 s: what a rate is, not how fast anything is
	[ "$took" -ge 1400000 ] || { echo "$took us"; false; }
	warned "rule 1, $port7000:7000/tcp: --rule-limit connect-rate=20 is reached"
	[ "$(reached 1 connect_rate)" -ge 1 ]
	[ "$(reached 2 connect_rate)" = 0 ]
}

@test "connect-rate of all rules, and of one of them more" {
	limits_start --limit connect-rate=40 -p 7001
	servers_start 7000 7001
	added=$("$PORTSHUNT" add --control "$dir/control" --rule-limit connect-rate=10 7000)
	slow=${added##*:}
	peer_start slow client hold --connections 10 --control 127.0.0.1 "$slow"
	peer_read slow
	peer_start fast client hold --connections 20 --control 127.0.0.1 "$port7001"
	peer_read fast
	asked fast "ping 5000" "answered 20, silent 0"
	asked slow "ping 5000" "answered 10, silent 0"
	[ "$(reached total connect_rate)" -ge 1 ]
	[ "$(reached 3 connect_rate)" -ge 1 ]
	[ "$(grep -c 'connect-rate=40 is reached' "$dir/portshunt.err")" = 1 ]
	[ "$(grep -c 'connect-rate=10 is reached' "$dir/portshunt.err")" = 1 ]
}

@test "half-open of a rule: a container that does not answer holds up its own rule only" {
	limits_start --rule-limit half-open=3 -p 7001
	late_start 7000
	servers_start 7001
	peer_start crowd client hold --connections 10 --control 127.0.0.1 "$port7000"
	peer_read crowd
	# one, or with some kernels two, in the queue of the server, and three that it does not answer
	eventually 5 connecting_are 3
	asked crowd "ping 300" "answered 0, silent 10"
	connecting_are 3
	not_spinning 500
	clients others 7001 3
	warned "rule 1, $port7000:7000/tcp: --rule-limit half-open=3 is reached"
	[ "$(reached 1 half_open)" -ge 1 ]
	[ "$(reached 2 half_open)" = 0 ]
	# who gives up makes room as well
	asked crowd "close 4" "closed 4"
	late_begins
	eventually 20 answered crowd 6 0
	connecting_are 0
	warned "--rule-limit half-open=3 is reached"
}

@test "a limit of one rule only, off, and what is set otherwise" {
	limits_start --rule-limit connections=2 --rule-limit idle-timeout=900
	"$PORTSHUNT" add --control "$dir/control" --rule-limit connections=off,half-open=7 7001
	"$PORTSHUNT" list --control "$dir/control" >"$dir/list"
	cat "$dir/list"
	[[ $(sed -n 2p "$dir/list") == *" connections=2,half-open=1024,idle-timeout=900" ]]
	[[ $(sed -n 3p "$dir/list") == *" half-open=7,idle-timeout=900" ]]
	"$PORTSHUNT" list --control "$dir/control" --json | grep -qF \
		'"limits":{"half_open":7,"idle_timeout":900}'
	"$PORTSHUNT" stats --control "$dir/control" --json | grep -qF \
		'"limits":{"udp_sessions":16384},"reached":{"udp_sessions":0}'
}

@test "what is no limit is refused, and nothing is changed" {
	said() { # said TEXT COMMAND ARG... - ends with 125 and that one line
		local text=$1

		shift
		run --separate-stderr "$PORTSHUNT" "$@"
		[ "$status" = 125 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" = 1 ] &&
			[[ $stderr == *"$text"* ]] && return
		echo "$* ended with $status: $output $stderr"
		return 1
	}
	netns_make
	all="use connections, connect-rate, half-open or udp-sessions"
	each="use connections, connect-rate, half-open, udp-sessions or idle-timeout"
	said "--limit \"conections=5\": there is no limit \"conections\": $all" \
		attach --netns "$ns" --limit conections=5
	said "--limit \"idle-timeout=5\": idle-timeout is a limit of each rule: --rule-limit idle-timeout=5" \
		attach --netns "$ns" --limit idle-timeout=5
	said "--rule-limit \"half-open=0\": \"0\" is neither a number from 1 to 1000000000 nor off" \
		attach --netns "$ns" --rule-limit half-open=0
	PORTSHUNT_RULE_LIMIT=idle=3 said "PORTSHUNT_RULE_LIMIT: there is no limit \"idle\": $each" \
		attach --netns "$ns"
	limits_start
	"$PORTSHUNT" list --control "$dir/control" >"$dir/before"
	said "--rule-limit \"conn=5\": there is no limit \"conn\": $each" \
		add --control "$dir/control" --rule-limit conn=5 7001
	json() { # json ARGUMENTS TEXT
		perl "$e2e_root/tests/tools/control.pl" ask "$dir/control" \
			"{\"execute\":\"add\",\"arguments\":$1}" >"$dir/reply" || true
		grep -qF -- "$2" "$dir/reply" || { cat "$dir/reply"; false; }
	}
	json '{"spec":"7001","limits":{"idle-timeout":5}}' 'there is no limit \"idle-timeout\": use connections, connect_rate'
	json '{"spec":"7001","limits":{"idle_timeout":-5}}' 'limit \"idle_timeout\" is neither a number'
	json '{"spec":"7001","limits":5}' '\"limits\" is not an object'
	"$PORTSHUNT" list --control "$dir/control" | diff "$dir/before" -
}
