# SPDX-License-Identifier: Apache-2.0
# Signals sent to portshunt: run passes them to COMMAND, once; attach ends by them.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# start_counter [COMMAND...] - run, in a process group of its own, with a COMMAND that counts
# signals and says so until SIGUSR2 comes.
start_counter() {
	cat >"$dir/count" <<-'END'
		use POSIX;
		$| = 1;
		for my $name (qw(HUP INT QUIT TERM USR1)) {
			$SIG{$name} = sub { $n{$name}++; print "$name $n{$name}\n" };
		}
		$SIG{USR2} = sub { $end = 1 };
		# perl runs a handler later: one that came before a sleep would wait for its end
		$all = POSIX::SigSet->new(SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2);
		sigprocmask(SIG_BLOCK, $all, my $old = POSIX::SigSet->new);
		print "counts\n";
		sigsuspend($old) until $end;
		exit 3;
	END
	(
		children_close_fds
		# a shell may ignore them in what it starts in the background
		exec setsid perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV' \
			"${wrap[@]}" "$PORTSHUNT" run --log-level warn "$@" -- perl "$dir/count" \
			>"$dir/out" 2>"$dir/portshunt.err"
	) &
	portshunt_pid=$!
	eventually 10 grep -qx counts "$dir/out"
}

# counted TEXT - and nothing after it
counted() {
	eventually 5 grep -qx "$1" "$dir/out" || { cat "$dir/out"; return 1; }
	[ "$(tail -n 1 "$dir/out")" = "$1" ]
}

# digested NAME - supervisor and init have taken that signal. One more would merge with a copy that
# is pending, and then COMMAND had one too few.
digested() {
	local bit=$((1 << ($(kill -l "$1") - 1))) who pending pid

	for who in supervisor init; do
		process_of $who || return
		for pending in $(sed -n 's/^S[ih][gd]Pnd:[[:space:]]*/0x/p' "/proc/$pid/status"); do
			((!(pending & bit))) || return
		done
	done
}

each_signal_once() {
	local name

	start_counter "$@"
	for name in TERM INT HUP QUIT USR1; do
		kill -$name "$portshunt_pid"
		counted "$name 1"
		# timeout(1), a shell's `kill %1`: COMMAND has it from the kernel
		kill -$name "-$portshunt_pid"
		counted "$name 2"
		# which COMMAND said when it had its own, whether or not we had ours
		eventually 5 digested $name
		kill -$name "$portshunt_pid"
		counted "$name 3"
	done
	kill -USR2 "$portshunt_pid"
	finish
	[ "$status" = 3 ]
	[ "$(tail -n 1 "$dir/out")" = "USR1 3" ]
	[ ! -s "$dir/portshunt.err" ]
}

@test "each reaches COMMAND once, also one for the whole process group" {
	each_signal_once --network none
}

@test "each once, as an ordinary user" {
	as user
	each_signal_once
}

@test "one for every process of ours by name reaches COMMAND" {
	start_counter --network none
	kill -TERM $(our_pids)
	counted "TERM 1"
	kill -TERM "$portshunt_pid"
	counted "TERM 2"
	kill -USR2 "$portshunt_pid"
	finish
	[ "$status" = 3 ]
}

@test "a COMMAND in a session of its own gets those of our group too" {
	(
		children_close_fds
		exec setsid "$PORTSHUNT" run --network none -- setsid sh -c 'echo go; exec sleep 60' \
			>"$dir/out" 2>&1
	) &
	portshunt_pid=$!
	eventually 10 grep -qx go "$dir/out"
	kill -TERM "-$portshunt_pid"
	finish
	[ "$status" = 143 ]
}

@test "a COMMAND that ends by the signal: 128+N" {
	for name in TERM HUP; do
		portshunt_start run --network none -- sleep 60
		portshunt_stop $name
		[ "$status" = $((128 + $(kill -l $name))) ]
		all_gone
	done
}

# A slirp4netns that says nothing, and goes when it is asked to, as the real one does: at the end
# of fd 3.
slow_slirp4netns() {
	printf '#!/bin/sh\ncase $1 in --help) exec slirp4netns --help ;; esac\n: >%s\nexec cat <&3\n' \
		"$dir/starting" >"$dir/slow"
	chmod +x "$dir/slow"
	rm -f "$dir/starting"
}

start_slowly() {
	slow_slirp4netns
	free_port
	(
		children_close_fds
		exec perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV' \
			"${wrap[@]}" "$PORTSHUNT" "$@" --slirp4netns "$dir/slow" --tmpdir "$tmpdir" \
			-p "$port:80" "${command[@]}" >"$dir/out" 2>"$dir/portshunt.err"
	) &
	portshunt_pid=$!
	eventually 10 test -e "$dir/starting"
	listening "$port"
}

@test "while slirp4netns starts, they end run: 128+N, COMMAND never ran" {
	command=(-- sh -c "echo ran")
	for name in TERM INT HUP QUIT USR1; do
		start_slowly run
		kill -$name "$portshunt_pid"
		finish
		[ "$status" = $((128 + $(kill -l $name))) ]
		soon
		[ ! -s "$dir/out" ]
		[ ! -s "$dir/portshunt.err" ]
		not listening "$port"
		all_gone
	done
}

@test "while slirp4netns starts, they end attach: 0" {
	local command=()

	netns_make
	for name in TERM INT HUP; do
		start_slowly attach --netns "$ns" --network slirp4netns
		kill -$name "$portshunt_pid"
		finish
		[ "$status" = 0 ]
		soon
		all_gone
	done
	[ "$(nsenter --net="$ns" cat /proc/sys/net/ipv6/conf/default/accept_dad)" = 1 ]
}

@test "while slirp4netns starts, the end of --exit-fd is heeded: 0" {
	command=(-- sh -c "echo ran")
	mkfifo "$dir/exit"
	exec {hold}<>"$dir/exit"
	exec {reader}<"$dir/exit"
	exec {writer}>"$dir/exit"
	exec {hold}>&-
	peer_out[exit]=$writer # not for children
	start_slowly run --exit-fd "$reader"
	unset 'peer_out[exit]'
	exec {writer}>&-
	finish
	[ "$status" = 0 ]
	soon
	[ ! -s "$dir/out" ]
	exec {reader}<&-
	all_gone
}

# ends_attach SIGNAL - with status 0, and says nothing
ends_attach() {
	portshunt_start attach --netns "$ns" --log-level warn
	portshunt_stop "$1"
	[ "$status" = 0 ]
	[ ! -s "$dir/portshunt.err" ]
	all_gone
}

@test "attach ends with 0 by SIGTERM, SIGINT, SIGHUP, SIGQUIT" {
	netns_make
	wrap=(perl -e '$SIG{INT} = $SIG{QUIT} = "DEFAULT"; exec @ARGV')
	for name in TERM INT HUP QUIT; do
		ends_attach $name
	done
}

@test "attach under nohup outlives the hang-up" {
	netns_make
	# and as started by a script with &
	wrap=(perl -e '$SIG{INT} = $SIG{QUIT} = "IGNORE"; exec @ARGV' nohup)
	httpd 127.0.0.1:80 "$ns"
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 -p 80
	published 80
	kill -HUP "$portshunt_pid"
	kill -INT "$portshunt_pid"
	kill -QUIT "$portshunt_pid"
	pages "$port"
	portshunt_stop TERM
	[ "$status" = 0 ]
}
