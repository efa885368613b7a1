# SPDX-License-Identifier: Apache-2.0
# attach --take-over: nobody notices that another portshunt has the ports now.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load udp_lib
load control_lib
load take_over_lib

setup_file() { e2e_setup_file; }
setup() { control_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# five_times DATAPATH - under 1000 connects a second, streams one after the other, and streams
# that last all the time
five_times() {
	local olds=() kind

	first_start --datapath "$1" -p 7000 -p 7001 -p 7002 || skip "$1 does not run here"
	published 7002
	long_streams_start "$port"
	published 7001
	connects_start "$port"
	published 7000
	streams_start "$port" 8
	for _ in 1 2 3 4 5; do
		take_over
		olds+=("$old")
		said "took over 3 rules, 3 listeners"
		diag "$1: $(sed -n 's/^portshunt: //; /^took over/p' "$dir/portshunt.err")"
	done
	connects_end
	streams_stop
	long_streams_end
	for old in "${olds[@]}"; do
		ended "$old"
	done
	# the last one has them all, and nobody else is there
	for kind in attach @netns @forwarder; do
		[ "$(pid_of "$kind" | wc -l)" = 1 ]
	done
	[ "$(stat_of total refused)" = 0 ]
	diag "$1: $connects connects, none failed; $(wc -l <"$dir/streams.rounds") rounds of 8 streams"
}

@test "1000 connects a second and streams both ways, five take-overs: splice" {
	five_times splice
}

@test "1000 connects a second and streams both ways, five take-overs: shunt" {
	five_times shunt
}

@test "every rule goes on by its number: named, renamed, added, on a free port, in a range" {
	httpd 81 "$ns"
	echo "another page" >"$dir/www/index.html"
	free_port 1003
	first=$port
	first_start -p "$first:80" -p 80 -p "$((first + 3))-$((first + 1002)):1003-2002" \
		-p "$((first + 1)):80" --log-level info
	added "127.0.0.1::80"
	by_control=$port
	control remove --host-port "$((first + 1))"
	published 80
	chosen=$port
	before=$(rules)
	options=(--netns "$ns" --child-ip 127.0.0.1 --control "$socket" -p "$first:81"
		-p "$((first + 2)):80" -p 80)
	take_over
	[ "$(rules)" = "$(sed "s/ 80 / 81 /;2,\$s/ 81 / 80 /" <<<"$before")
6 0.0.0.0:$((first + 2)) 80 tcp 0 open" ] || { echo "$before"; rules; false; }
	said "took over 4 rules, 1003 listeners"
	said "kept 2 rules that no -p names: $((first + 3))-$((first + 1002)):1003-2002/tcp and others; portshunt remove removes them"
	said "80/tcp -> 0.0.0.0:$chosen"
	diag "$(grep "took over" "$dir/portshunt.err")"
	ended "$old"
	for port in "$first" "$chosen" "$by_control" $((first + 2)); do
		[ "$(timeout 5 busybox wget -q -O - "http://127.0.0.1:$port/")" = "another page" ]
	done
	listening $((first + 1002))
	# the new one is as good as any: rules come and go, and numbers are not used twice
	control remove --id 5
	not listening "$by_control"
	added 80
	[ "$id" = 7 ]
}

# hold_server N - the server of N holders, at port 7000 of $ns
hold_server() {
	peer_start server server hold --connections "$1" --control --netns "$ns" --port 7000
}

# held NAME - a connection to $port that stays
held() {
	peer_start "$1" client hold --ping --control 127.0.0.1 "$port"
	peer_read "$1"
	[ "$line" = "holding 1" ]
}

# alive NAME - its connection carries bytes
alive() {
	peer_ask "$1" "ping 5000"
	[ "$line" = "answered 1, silent 0" ]
}

# finished NAME - its connection ended with a FIN
finished() {
	is_eof() { peer_ask "$1" status && [[ $line == *"eof: 1"* ]]; }
	eventually 5 is_eof "$1"
}

@test "the old one ends with its last connection, at the drain timeout, or at once" {
	first_start -p 7000
	published 7000
	hold_server 3
	held first
	take_over
	grep -q "1 connection left here, for 60 s at most" "$dir/old.err"
	patient=$old
	held second
	take_over --drain-timeout 1
	grep -q "1 connection left here, for 1 s at most" "$dir/old.err"
	# closed as the end of the process closes: with a FIN
	ended "$old" 10
	finished second
	held third
	take_over --drain-timeout 0
	ended "$old"
	finished third
	# the first one of all is there for its connection
	alive first
	not pid_ended "$patient"
	peer_stdin_eof first
	peer_wait first
	ended "$patient"
}

@test "one that leaves heeds signals, --exit-fd, and what was removed before" {
	mkfifo "$dir/exit"
	first_start -p 7000
	published 7000
	hold_server 4
	held signalled
	take_over
	kill -TERM "$old"
	ended "$old"
	finished signalled
	(
		children_close_fds
		exec sleep 60 >"$dir/exit"
	) &
	holder=$!
	ends_with_test+=("$holder")
	wrap=(sh -c 'exec "$@" 7<'"$dir/exit" -)
	take_over --exit-fd 7
	wrap=()
	ended "$old"
	held left
	held removed
	control remove --host-port "$port" --drain --timeout 1
	added 127.0.0.1::7000
	held other
	options+=(--child-ip ::1)
	take_over
	# the one of the removed rule has its own end
	finished removed
	finished left
	alive other
	not pid_ended "$old"
	kill "$holder"
	ended "$old"
	finished other
	# --child-ip is of the new one
	control list --json | grep -q '"child_ips":\["127.0.0.1","::1"\]'
}

@test "an ordinary user's, in a user namespace of its own" {
	as user
	mkfifo -m 666 "$dir/inside"
	(
		children_close_fds
		exec "${wrap[@]}" unshare --user --map-root-user --net sh -c '
			ip link set lo up
			echo up >"$1"
			exec busybox httpd -f -p 80 -h "$2"' - "$dir/inside" "$dir/www"
	) &
	pid=$!
	ends_with_test+=("$pid")
	read -r -t 10 <"$dir/inside"
	options=(--pid "$pid" --control "$socket" -p 80)
	portshunt_start attach "${options[@]}"
	published 80
	take_over
	ended "$old"
	eventually 5 pages "$port"
	# root does not: who listens there could give it anything
	wrap=()
	refused_start "control socket $socket: user id $(id -u pstest) listens at it"
	pages "$port"
}

@test "UDP clients keep their sessions, the container sees the same ports" {
	first_start -p 7000/udp
	published 7000 udp
	echo_start
	clients_start 100
	asked clients "ping 5000" "answered 100, silent 0, refused 0"
	before=$(session_ports)
	[ "$(uniq <<<"$before" | wc -l)" = 100 ]
	take_over
	said "took over 1 rule, 1 listener, 100 UDP sessions"
	ended "$old"
	[ "$(session_ports)" = "$before" ]
	asked server tell "told 100"
	asked clients "listen 3000 100" "heard 100"
	asked clients "ping 5000" "answered 100, silent 0, refused 0"
	[ "$(session_ports)" = "$before" ]
	new_sessions_are() {
		[ "$(nsenter --net="$ns" ss -Hun "dst = 127.0.0.2" | wc -l)" = "$1" ]
	}
	# one that leads to another address is not theirs
	options=(--netns "$ns" --child-ip 127.0.0.2 --control "$socket" -p 7000/udp)
	take_over
	said "took over 1 rule, 1 listener, 0 UDP sessions"
	asked clients send "sent 100"
	eventually 5 new_sessions_are 100
}
