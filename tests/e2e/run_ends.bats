# SPDX-License-Identifier: Apache-2.0
# However run ends, nothing is left: no process, port, file, mount.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

start_httpd() {
	portshunt_start run --tmpdir "$tmpdir" -p 80 -- busybox httpd -f -p 80 -h "$dir/www"
	published 80
	eventually 5 page "http://127.0.0.1:$port/"
}

# killed WHO STATUS [TEXT] - in the steady state; one line then says so
killed() {
	local lines

	start_httpd
	lines=$(wc -l <"$dir/portshunt.err")
	process_of "$1"
	kill -KILL "$pid"
	finish
	[ "$status" = "$2" ]
	soon
	[ -z "${3:-}" ] || said "$3"
	[ "$(wc -l <"$dir/portshunt.err")" = "$((lines + ($# > 2)))" ]
	all_gone
	closed "$port"
}

every_one_killed() {
	killed supervisor 137
	killed forwarder 125 "portshunt: the forwarder was killed by signal 9 (Killed): ports are no longer published"
	killed init 125 "portshunt: the netns child was killed by signal 9 (Killed)"
	killed slirp4netns 125 "slirp4netns killed by signal: the container has no network"
}

@test "SIGKILL of any of our processes" {
	every_one_killed
}

@test "SIGKILL of any, as an ordinary user" {
	as user
	every_one_killed
}

@test "SIGKILL of COMMAND: 137, and no line" {
	portshunt_start run --log-level warn --tmpdir "$tmpdir" -- sleep 60
	eventually 5 process_marked sleep
	kill -KILL "$pid"
	finish
	[ "$status" = 137 ]
	[ ! -s "$dir/portshunt.err" ]
	all_gone
}

# start_slowly - with a slirp4netns that is never ready, and goes at the end of fd 3 as the real one
start_slowly() {
	printf '#!/bin/sh\ncase $1 in --help) exec slirp4netns --help ;; esac\n: >%s\nexec cat <&3\n' \
		"$dir/starting" >"$dir/slirp4netns"
	chmod +x "$dir/slirp4netns"
	rm -f "$dir/starting"
	free_port
	(
		children_close_fds
		exec "${wrap[@]}" "$PORTSHUNT" run --log-level warn --slirp4netns "$dir/slirp4netns" \
			--tmpdir "$tmpdir" -p "$port:80" -- echo ran >"$dir/portshunt.out" 2>"$dir/portshunt.err"
	) &
	portshunt_pid=$!
	eventually 10 test -e "$dir/starting"
	listening "$port"
}

# killed_at_start WHO STATUS [TEXT]
killed_at_start() {
	start_slowly
	process_of "$1"
	kill -KILL "$pid"
	finish
	[ "$status" = "$2" ]
	soon
	[ -z "${3:-}" ] || said "$3"
	[ "$(wc -l <"$dir/portshunt.err")" = "$(($# > 2))" ]
	[ ! -s "$dir/portshunt.out" ]
	all_gone
	closed "$port"
}

every_one_killed_at_start() {
	killed_at_start supervisor 137
	killed_at_start forwarder 125 "the forwarder was killed by signal 9 (Killed)"
	killed_at_start init 125 "the netns child was killed by signal 9 (Killed)"
}

@test "SIGKILL of any while slirp4netns starts" {
	every_one_killed_at_start
	start_slowly
	eventually 5 process_marked cat # that is what it has become
	kill -KILL "$pid"
	finish
	[ "$status" = 125 ]
	said "portshunt: $dir/slirp4netns killed by signal"
	all_gone
}

@test "SIGKILL of any while slirp4netns starts, as an ordinary user" {
	as user
	every_one_killed_at_start
}

@test "SIGKILL at any moment of a start" {
	for delay in 0 1 2 4 6 8 10 12 15 20 25 30 40; do
		"$PORTSHUNT" run --tmpdir "$tmpdir" -p 80 -- sleep 60 2>/dev/null 3>&- &
		usleep $((delay * 1000))
		kill -KILL $!
		wait $! || true
	done 2>/dev/null
	all_gone
	# the log has its name from one system call to the next; the next start with that id takes it
	rm -f "$tmpdir"/slirp4netns-*.log
}

usleep() {
	local end=$((${EPOCHREALTIME/./} + $1))

	while [ "${EPOCHREALTIME/./}" -lt "$end" ]; do :; done
}

@test "COMMAND gets SIGTERM when slirp4netns dies: it may end as it likes, 125" {
	portshunt_start run -- sh -c 'trap "echo asked; exit 0" TERM; echo ready; sleep 60 & wait'
	eventually 5 grep -q ready "$dir/portshunt.out"
	process_of slirp4netns
	kill -KILL "$pid"
	finish
	[ "$status" = 125 ]
	[ "$(<"$dir/portshunt.out")" = $'ready\nasked' ]
	all_gone
}

@test "COMMAND gets SIGKILL when it does not end within 5 s" {
	portshunt_start run -- sh -c 'trap "echo asked" TERM; echo ready; while :; do sleep 60 & wait; done'
	eventually 5 grep -q ready "$dir/portshunt.out"
	process_of forwarder
	kill -KILL "$pid"
	finish
	[ "$status" = 125 ]
	[ "$took" -ge 4900 ]
	[ "$took" -lt $((5000 + 1000 * ${PATIENCE:-1})) ]
	[ "$(<"$dir/portshunt.out")" = $'ready\nasked' ]
	all_gone
}

@test "a stopped COMMAND ends as well" {
	portshunt_start run --tmpdir "$tmpdir" -- sleep 60
	eventually 5 process_marked sleep
	kill -STOP "$pid"
	process_of forwarder
	kill -KILL "$pid"
	finish
	[ "$status" = 125 ]
	soon
	all_gone
}

# with_exit_fd COMMAND ARG... - portshunt_start with an --exit-fd that exit_fd_eof ends
with_exit_fd() {
	local command=$1 reader both

	shift
	mkfifo "$dir/exit"
	exec {both}<>"$dir/exit" {reader}<"$dir/exit" {exit_fd}>"$dir/exit" {both}>&-
	wrap=(bash -c "exec $exit_fd>&-; exec \"\$@\"" -)
	portshunt_start "$command" --exit-fd "$reader" "$@"
	exec {reader}<&-
}

exit_fd_eof() {
	exec {exit_fd}>&-
}

@test "the end of --exit-fd: gone within a second, 0; connections get a FIN" {
	with_exit_fd run --tmpdir "$tmpdir" -p 7000 -- \
		"$PEER" server sink --port 7000 --ready-fd 1
	published 7000
	eventually 5 grep -qx 7000 "$dir/portshunt.out"
	exec {connection}<>"/dev/tcp/127.0.0.1/$port"
	echo hello >&"$connection"
	exit_fd_eof
	finish
	[ "$status" = 0 ]
	soon
	# end of file, not a reset
	run -0 timeout 5 cat <&"$connection"
	[ -z "$output" ]
	exec {connection}>&-
	all_gone
	closed "$port"
}

@test "the end of --exit-fd, and a COMMAND that does not care: within a second" {
	with_exit_fd run --tmpdir "$tmpdir" -- sh -c 'trap "" TERM; echo ready; while :; do sleep 60; done'
	eventually 5 grep -q ready "$dir/portshunt.out"
	exit_fd_eof
	finish
	[ "$status" = 0 ]
	soon
	all_gone
}

@test "what comes over --exit-fd is nothing but its end" {
	with_exit_fd run --network none -- sleep 60
	eventually 5 process_marked sleep
	head -c 60000 /dev/zero >&"$exit_fd"
	kill -CONT "$pid"
	portshunt_stop TERM
	[ "$status" = 143 ]
}

@test "what the server wrote before it ended arrives" {
	head -c 3000000 /dev/urandom >"$dir/www/big"
	portshunt_start run --network none -p 7000 -- sh -c "exec busybox nc -l -p 7000 <$dir/www/big"
	published 7000
	# the client's own side stays open
	get() {
		exec {connection}<>"/dev/tcp/127.0.0.1/$port"
		timeout 5 cat <&"$connection" >"$dir/got" || true
		exec {connection}>&-
		[ -s "$dir/got" ]
	}
	eventually 5 get
	cmp "$dir/got" "$dir/www/big"
}

@test "twenty at once, and all leave" {
	for i in {1..20}; do
		"$PORTSHUNT" run --tmpdir "$tmpdir" -p 80 -- true 2>"$dir/err-$i" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	all_gone
}
