# SPDX-License-Identifier: Apache-2.0
# What the tests of the control socket share, on top of lib.bash and run_lib.bash.
#
#	$socket		the control socket
#	$ns		a network namespace with "a page" at port 80

control_setup() {
	run_setup
	socket=$dir/control
	netns_make
	httpd 80 "$ns"
}

# control_start [OPTION...] - `portshunt attach` to $ns
control_start() {
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --log-level warn \
		--control "$socket" "$@"
}

# control COMMAND ARG... - portshunt's own client, as who starts portshunt in this test; its stderr
# is in $dir/control.err
control() {
	local command=$1

	shift
	"${wrap[@]}" "$PORTSHUNT" "$command" --control "$socket" "$@" 2>"$dir/control.err"
}

# refused TEXT COMMAND ARG... - the command ends with 125, and says TEXT and nothing else
refused() {
	local text=$1 status=0 out

	shift
	out=$(control "$@") || status=$?
	[ "$status" = 125 ] && [ -z "$out" ] && [ "$(wc -l <"$dir/control.err")" = 1 ] &&
		grep -qF -- "$text" "$dir/control.err" && return
	echo "$* ended with $status, and said: $out $(<"$dir/control.err")"
	echo "expected: $text"
	return 1
}

# raw HOW ARG... - a client that is no friend: tests/tools/control.pl
raw() {
	local how=$1

	shift
	timeout 60 perl "$e2e_root/tests/tools/control.pl" "$how" "$socket" "$@"
}

# rules - the rules as `list` shows them: "ID HOST CONTAINER PROTOCOL CONNECTIONS STATE"
rules() {
	control list | awk '/^[0-9]/ { print $1, $2, $3, $4, $5, $7 }'
}

# stat RULE MEMBER - a number of a rule, or of "total"
stat_of() {
	local object

	if [ "$1" = total ]; then
		object=$(control stats --json | grep -o '"total":{[^}]*}')
	else
		object=$(control stats --json --id "$1" | grep -o '"rules":\[{[^}]*}')
	fi
	grep -o "\"$2\":[0-9]*" <<<"$object" | cut -d: -f2
}

# added SPEC... - sets $port to the host port of the first, and $id to its number
added() {
	local out

	out=$(control add --json "$@") || { cat "$dir/control.err"; return 1; }
	port=$(grep -o '"host_port":[0-9]*' <<<"$out" | head -1 | cut -d: -f2)
	id=$(grep -o '"id":[0-9]*' <<<"$out" | head -1 | cut -d: -f2)
	published_ports+=("$port")
}

# connection_open - a connection to $port that the server keeps open; sets $connection
connection_open() {
	exec {connection}<>"/dev/tcp/127.0.0.1/$port"
}

supervisor_fds() {
	find "/proc/$portshunt_pid/fd" -mindepth 1 | wc -l
}

supervisor_kb() {
	awk '/^Pss:/ { print $2 }' "/proc/$portshunt_pid/smaps_rollup"
}

# grown_at_most KB LIMIT - of memory, in a process. ASan keeps what was freed for a while.
grown_at_most() {
	[ -n "${SAN:-}" ] || [ "$1" -lt "$2" ] || { echo "$1 kB more"; return 1; }
}

# only_fds N - the supervisor has that many open
only_fds() {
	[ "$(supervisor_fds)" = "$1" ]
}

# streams_start PORT COUNT - COUNT connections that carry 1 MB each way and check it, and
# others after them, until streams_stop; the servers are at port 7000 of $ns.
streams_start() {
	local args=(bulk --connections "$2" --bytes 1m)

	mkfifo "$dir/streams.ready"
	(
		children_close_fds
		set -e
		while [ ! -e "$dir/streams.stop" ]; do
			"$PEER" server "${args[@]}" --netns "$ns" --port 7000 --ready-fd 9 \
				9>"$dir/streams.ready" >"$dir/streams.server" &
			read -r _ <"$dir/streams.ready"
			"$PEER" client "${args[@]}" 127.0.0.1 "$1" >"$dir/streams.client"
			wait $!
			echo >>"$dir/streams.rounds"
		done
	) 2>"$dir/streams.err" &
	streams=$!
	eventually 30 test -s "$dir/streams.rounds"
}

# streams_stop - fails when one byte was wrong, or one connection did not end in order
streams_stop() {
	: >"$dir/streams.stop"
	wait "$streams" && return
	cat "$dir/streams.err" "$dir/streams.server" "$dir/streams.client"
	return 1
}

# bulk CONTAINER_PORT SENDER READER - 100 MB from one of server and client to the other
bulk() {
	local -A mode=([$2]="source --epoll" [$3]="sink --epoll")

	peer_start server server ${mode[server]} --bytes 100m --netns "$ns" --port "$1"
	published "$1"
	peer_start client client ${mode[client]} --bytes 100m 127.0.0.1 "$port"
	for name in client server; do
		peer_wait $name
		[ "$status" = 0 ]
	done
}

# bulk_redirected RULE_ID WAY CONTAINER_PORT SENDER READER - bulk, connection after connection,
# until more than a megabyte of it was redirected that WAY. A sender is taken in when its queue
# is empty, which on one processor does not happen to each in time.
bulk_redirected() {
	local connections

	for connections in {1..10}; do
		bulk "${@:3}"
		[ "$(stat_of "$1" "$2_redirected")" -le 1000000 ] || break
	done
	echo "# $2: $(stat_of "$1" "$2_redirected") bytes redirected, connections: $connections" >&3
	[ "$(stat_of "$1" "$2_redirected")" -gt 1000000 ]
}
