# SPDX-License-Identifier: Apache-2.0
# Who may use the control socket, what hostile clients get, and the socket's file.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
setup() { control_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

@test "mode 0600; another user is refused even where the file lets him in" {
	user_need
	control_start -p 80
	[ "$(stat -c '%a %U' "$socket")" = "600 root" ]
	run -125 as_user "$PORTSHUNT" list --control "$socket"
	[[ $output == *"cannot connect to control socket $socket: permission denied" ]]
	chmod 666 "$socket"
	before=$(supervisor_fds)
	run -125 as_user "$PORTSHUNT" add --control "$socket" 81
	[ "$output" = "portshunt: access denied: the control socket is for root and for the user who runs portshunt" ]
	grep -q "control socket: process [0-9]* of user id $(id -u pstest) was refused" "$dir/portshunt.err"
	[ "$(rules | wc -l)" = 1 ]
	only_fds "$before"
}

@test "one user's socket is not another's, and root asks at it as that user" {
	user_need
	# "nobody" is no friend of pstest's
	wrap=("${user_wrap[@]}" PSTEST_MARK="$dir")
	portshunt_start run --network none --control "$socket" -p 80 -- sleep 60
	wrap=()
	chmod 666 "$socket"
	nobody=(setpriv --reuid nobody --regid nogroup --clear-groups)
	[[ $("${nobody[@]}" perl - ask "$socket" '{"execute":"list"}' <"$e2e_root/tests/tools/control.pl") \
		== '{"error":{"desc":"access denied: '* ]]
	run -125 "${nobody[@]}" "$PORTSHUNT" list --control "$socket"
	[[ $output == *"user id $(id -u pstest) listens at it"* ]]
	as_user "$PORTSHUNT" list --control "$socket"
	# the server trusts root, and root's command does not trust the server
	raw ask '{"execute":"list"}' | grep -q '^{"return":'
	refused "control socket $socket: user id $(id -u pstest) listens at it" list
}

@test "garbage, halves and a gigabyte get an error, and streams go on" {
	control_start -p 7000
	published 7000
	streams_start "$port" 20
	before=$(supervisor_fds)
	kb=$(supervisor_kb)

	# what is whole but senseless: each line its error, and the connection goes on
	out=$(raw ask "$(head -c 3000 /dev/urandom | tr -d '\n\0' | LC_ALL=C tr '\n' x)x" \
		'{"execute":"list"}')
	[[ $(head -1 <<<"$out") == '{"error":{"desc":"bad request: '* ]]
	[[ $(tail -1 <<<"$out") == '{"return":'* ]]
	raw ask "$(printf '[%.0s' {1..5000})" | grep -q '"error"'
	raw ask "{\"execute\":\"$(printf 'x%.0s' {1..60000})\"}" | grep -q '"cannot execute\|bad request'

	# without an end of the line: as slirp4netns' clients do it; half of one is an error
	raw raw '{"execute":"list"}' | grep -q '^{"return":'
	[ "$(raw raw '{"execute":"li')" = '{"error":{"desc":"bad request: unexpected end of JSON input"}}' ]
	[ -z "$(raw raw '')" ]
	[ -z "$(raw raw $'\n \n')" ]

	out=$(raw flood $((1 << 30)))
	echo "$out"
	[[ $out == *'"bad request: it is longer than 65535 bytes"'* ]]
	[ "$(sed -n 's/^taken: //p' <<<"$out")" -lt $((4 << 20)) ]

	eventually 5 only_fds "$before"
	grown_at_most $(($(supervisor_kb) - kb)) 1024
	streams_stop
}

@test "half a request, and no end: an error within the time, and others do not wait" {
	control_start -p 80
	raw half '{"execute":"li' >"$dir/half" &
	half=$!
	control list >/dev/null
	wait $half
	[ "$(cat "$dir/half")" = '{"error":{"desc":"bad request: it was not complete within 10 s"}}' ]
}

@test "who does not read his replies is dropped, and costs little" {
	control_start
	free_port 500
	control add $(seq -f "127.0.0.1:%g:80" "$port" $((port + 499))) >/dev/null
	before=$(supervisor_fds)
	kb=$(supervisor_kb)
	raw deaf 100000 >"$dir/deaf" &
	deaf=$!
	control list >/dev/null
	grown_at_most $(($(supervisor_kb) - kb)) 2048
	wait $deaf
	[ "$(cat "$dir/deaf")" = dropped ]
	eventually 5 only_fds "$before"
}

@test "any number of clients: 500 at once, and 200 that say nothing" {
	control_start -p 80
	before=$(supervisor_fds)
	[ "$(raw crowd 500)" = "all answered" ]
	eventually 5 only_fds "$before"
	mkfifo "$dir/idle.in"
	raw idle 200 <"$dir/idle.in" >"$dir/idle" &
	idle=$!
	exec {in}>"$dir/idle.in"
	eventually 5 grep -q connected "$dir/idle"
	# the first of them give up their place when their time is over
	control list >/dev/null
	[ "$(supervisor_fds)" -lt $((before + 100)) ]
	exec {in}>&-
	wait $idle
	eventually 5 only_fds "$before"
}

@test "clients that have asked make room for others" {
	control_start -p 80
	mkfifo "$dir/idle.in"
	perl -e '
		use IO::Socket::UNIX;
		my @all = map { IO::Socket::UNIX->new(Peer => $ARGV[0]) // die } 1 .. 64;
		for (@all) { syswrite $_, qq({"execute":"list"}\n); readline $_; }
		$| = 1;
		print "asked\n";
		readline STDIN;' "$socket" <"$dir/idle.in" >"$dir/idle" &
	idle=$!
	exec {in}>"$dir/idle.in"
	eventually 5 grep -q asked "$dir/idle"
	timeout 8 "$PORTSHUNT" list --control "$socket"
	exec {in}>&-
	wait $idle
}

@test "out of descriptors: clients wait, and are served when there are some" {
	wrap=(prlimit --nofile=40:)
	control_start -p 80
	wrap=()
	[ "$(raw crowd 200)" = "all answered" ]
	published 80
	page "http://127.0.0.1:$port/"
}

@test "the file goes with portshunt; a stale one is replaced, one in use is not" {
	control_start
	portshunt_stop TERM
	[ "$status" = 0 ]
	[ ! -e "$socket" ]
	control_start
	run -125 "$PORTSHUNT" attach --netns "$ns" --control "$socket"
	[ "$output" = "portshunt: control socket $socket: somebody listens at it: is portshunt running there?" ]
	control list
	kill -KILL "$portshunt_pid"
	finish
	[ -S "$socket" ]
	refused "cannot connect to control socket $socket: connection refused" list
	control_start
	control list
	# not ours any more: it is somebody else's to remove
	rm "$socket"
	echo precious >"$socket"
	portshunt_stop TERM
	[ "$(cat "$socket")" = precious ]
	run -125 "$PORTSHUNT" attach --netns "$ns" --control "$socket"
	[ "$output" = "portshunt: control socket $socket: a file that is no socket has this name" ]
	[ "$(cat "$socket")" = precious ]
}

@test "paths that cannot be: one line, 125, nothing left" {
	for path in "" "$dir/none/control" "/$(printf 'x%.0s' {1..120})" /proc/control "$dir"; do
		run -125 "$PORTSHUNT" attach --netns "$ns" -p 80 --control "$path"
		[ "${#lines[@]}" = 1 ]
		[[ $output == "portshunt: "*"control socket"* ]]
		all_gone
	done
	# a start that fails later
	run -125 "$PORTSHUNT" attach --netns "$ns" --control "$socket" -p "127.0.0.1:80:80" \
		-p "127.0.0.1:80:81"
	[ ! -e "$socket" ]
}

@test "the commands' own errors: one line, 125" {
	control_start
	refused "add what?" add
	refused "remove what?" remove
	refused "--timeout goes with --drain" remove --timeout 5 80
	refused "no rule is 2/tcp; the rule number 2 is --id 2" remove 2
	refused "--id is given 2 times" stats --id 1 --id 2
	refused "--id \"x\" is not a number" remove --id x
	refused "unknown option --drain" list --drain
	refused "unknown option --rule-limit: portshunt list" list --rule-limit connections=5
	refused "unknown option --nothing" stats --nothing
	refused "option --id wants a value" remove --id
	refused "what is \"x\"? This command takes options only, and the socket goes with --control" list x
	refused "reload wants the container's new address" reload
	run -125 "$PORTSHUNT" list
	[ "$output" = "portshunt: list wants --control PATH, the socket that run or attach was given" ]
	run -125 "$PORTSHUNT" list --control "$dir/none"
	[ "$output" = "portshunt: cannot connect to control socket $dir/none: no such file or directory" ]
	for command in add remove list stats reload; do
		"$PORTSHUNT" $command --help | grep -q "^Usage: portshunt $command --control PATH"
	done
	# the raw reply is for whoever reads JSON, also when it is an error
	run -125 --separate-stderr "$PORTSHUNT" remove --control "$socket" --id 7 --json
	[ "$output" = '{"error":{"desc":"there is no rule 7"}}' ]
	[ "$stderr" = "portshunt: there is no rule 7" ]
	run -125 sh -c '"$1" list --control "$2" >/dev/full' - "$PORTSHUNT" "$socket"
	[ "$output" = "portshunt: cannot write to stdout: no space left on device" ]
}
