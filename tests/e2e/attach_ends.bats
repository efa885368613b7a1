# SPDX-License-Identifier: Apache-2.0
# However attach ends, nothing is left: no process, port, file; the namespace is as it was.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

setup() {
	run_setup
	netns_make
	httpd 80 "$ns"
}

start_attach() {
	portshunt_start attach --netns "$ns" --log-level warn -p 80 "$@"
	published 80
	pages "$port"
}

# killed WHO STATUS [TEXT] - one line then says so
killed() {
	process_of "$1"
	kill -KILL "$pid"
	finish
	[ "$status" = "$2" ]
	soon
	[ -z "${3:-}" ] || said "$3"
	[ "$(wc -l <"$dir/portshunt.err")" = "$((1 + ($# > 2)))" ]
	all_gone
	closed "$port"
}

@test "SIGKILL of any of our processes" {
	start_attach
	killed supervisor 137
	start_attach
	killed forwarder 125 "portshunt: the forwarder was killed by signal 9 (Killed): ports are no longer published"
	start_attach
	killed netns 125 "portshunt: the netns child was killed by signal 9 (Killed)"
	start_attach --network slirp4netns --tmpdir "$tmpdir"
	killed slirp4netns 125 "slirp4netns killed by signal: the container has no network"
	# the server inside had no part in it
	start_attach
}

@test "SIGKILL of any while slirp4netns starts" {
	# it goes at the end of fd 3, as the real one
	printf '#!/bin/sh\ncase $1 in --help) exec slirp4netns --help ;; esac\n: >%s\nexec cat <&3\n' \
		"$dir/starting" >"$dir/slirp4netns"
	chmod +x "$dir/slirp4netns"
	for who in supervisor forwarder netns; do
		rm -f "$dir/starting"
		(
			children_close_fds
			exec "$PORTSHUNT" attach --netns "$ns" --network slirp4netns --tmpdir "$tmpdir" \
				--slirp4netns "$dir/slirp4netns" -p 80 2>"$dir/portshunt.err"
		) &
		portshunt_pid=$!
		eventually 10 test -e "$dir/starting"
		process_of $who
		kill -KILL "$pid"
		finish
		soon
		if [ $who = supervisor ]; then
			[ "$status" = 137 ]
			[ ! -s "$dir/portshunt.err" ]
		else
			[ "$status" = 125 ]
			[ "$(wc -l <"$dir/portshunt.err")" = 1 ]
		fi
		all_gone
	done
}

@test "SIGKILL at any moment of a start" {
	for delay in 0 1 2 3 4 5 6 8 10 12; do
		"$PORTSHUNT" attach --netns "$ns" -p 80 2>/dev/null 3>&- &
		usleep $((delay * 1000))
		kill -KILL $!
		wait $! || true
	done 2>/dev/null
	all_gone
}

usleep() {
	local end=$((${EPOCHREALTIME/./} + $1))

	while [ "${EPOCHREALTIME/./}" -lt "$end" ]; do :; done
}

@test "the end of --exit-fd: gone within a second, 0; connections get a FIN" {
	local reader both

	mkfifo "$dir/exit"
	exec {both}<>"$dir/exit" {reader}<"$dir/exit" {writer}>"$dir/exit" {both}>&-
	wrap=(bash -c "exec $writer>&-; exec \"\$@\"" -)
	start_attach --exit-fd "$reader"
	exec {reader}<&-
	exec {connection}<>"/dev/tcp/127.0.0.1/$port"
	echo >&"$writer"
	page "http://127.0.0.1:$port/"
	exec {writer}>&-
	finish
	[ "$status" = 0 ]
	soon
	run -0 timeout 5 cat <&"$connection"
	[ -z "$output" ]
	exec {connection}>&-
	[ "$(wc -l <"$dir/portshunt.err")" = 1 ]
	all_gone
	closed "$port"
}

@test "an --exit-fd that has ended before: 0 at once" {
	exec {ended}< <(:)
	wait $!
	run -0 "$PORTSHUNT" attach --netns "$ns" --exit-fd "$ended" -p 80
	exec {ended}<&-
	[ -z "$output" ]
	all_gone
}

@test "--ready-fd gets 1 and its end; the port answers" {
	mkfifo "$dir/fifo"
	free_port
	(
		children_close_fds
		exec "$PORTSHUNT" attach --ready-fd 9 --netns "$ns" -p "$port:80" 9>"$dir/fifo" 2>&1
	) &
	portshunt_pid=$!
	[ "$(timeout 10 cat "$dir/fifo")" = 1 ]
	pages "$port"
	not pid_ended "$portshunt_pid"
}

@test "a namespace whose name is removed: we hold it no longer than we run" {
	start_attach
	inode=$(stat -L -c %i "$ns")
	portshunt_stop TERM
	[ "$status" = 0 ]
	[ "$(stat -L -c %i "$ns")" = "$inode" ]
	# only the server is in it
	[ "$(ip netns pids "$(basename "$ns")" | wc -l)" = 1 ]
}
