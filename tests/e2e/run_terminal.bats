# SPDX-License-Identifier: Apache-2.0
# portshunt run on a terminal: ^C, ^Z, job control, the terminal given back.

load lib
load run_lib

setup_file() { e2e_setup_file; }
teardown_file() { e2e_teardown_file; }
teardown() { run_teardown; }

setup() {
	run_setup
	run="$PORTSHUNT run --log-level warn --network none --"
	# says what happens to it, and ends after an interrupt
	cat >"$dir/job" <<-'END'
		use POSIX;
		$| = 1;
		$SIG{CONT} = sub { print "continued\n" };
		$SIG{INT} = sub { $n++; print "interrupted\n" };
		# perl runs a handler later: one that came before a sleep would wait for its end
		sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGINT, SIGCONT), my $old = POSIX::SigSet->new);
		print "job runs\n";
		sigsuspend($old) until $n;
		sigprocmask(SIG_SETMASK, $old);
		# a second interrupt would have been sent together with the first
		select undef, undef, undef, 0.2;
		print "interrupts: $n\n";
		exit 3;
	END
	job="perl $dir/job"
}

# on_terminal COMMAND... - with the steps on stdin
on_terminal() {
	run perl "$BATS_TEST_DIRNAME/../tools/pty.pl" "$@" 3>&-
	echo "$output"
}

@test "^C is one SIGINT for COMMAND" {
	on_terminal $run $job <<-'END'
		expect job runs
		type \003
		expect interrupts: 1
	END
	[ "$status" = 3 ]
}

@test "^C ends a COMMAND that does not care: 130" {
	on_terminal $run sh -c 'echo go; exec sleep 60' <<-'END'
		expect go
		type \003
	END
	[ "$status" = 130 ]
}

@test "^\\ ends it with SIGQUIT, and us after it" {
	on_terminal $run sh -c 'ulimit -c 0; echo go; exec sleep 60' <<-'END'
		expect go
		type \034
	END
	[ "$status" = 131 ]
}

@test "^C before COMMAND is there ends the start" {
	printf '#!/bin/sh\ncase $1 in --help) exec slirp4netns --help ;; esac\necho starts >/dev/tty\nexec sleep 60\n' \
		>"$dir/slow"
	chmod +x "$dir/slow"
	on_terminal "$PORTSHUNT" run --slirp4netns "$dir/slow" --tmpdir "$tmpdir" sh -c 'echo go' <<-'END'
		expect starts
		type \003
	END
	[ "$status" = 130 ]
	[[ $output != *go* ]]
	all_gone
}

@test "^Z stops it for the caller's shell, fg goes on" {
	on_terminal bash --norc -i <<-END
		type PS1="P> "\n
		expect \nP>
		type $run $job\n
		expect job runs
		type \032
		expect Stopped .*portshunt
		expect P>
		type fg\n
		expect continued
		type \003
		expect interrupts: 1
		expect P>
		type echo "status=\$?"\n
		expect status=3
		type exit 0\n
	END
	[ "$status" = 0 ]
}

@test "in the background, to the foreground by fg" {
	on_terminal bash --norc -i <<-END
		type PS1="P> "\n
		expect \nP>
		type $run perl -e '\$SIG{CONT} = sub { print "contin", "ued\\n" }; \$| = 1; print "read ", scalar <STDIN>' & wait\n
		expect Stopped .*portshunt
		type fg\n
		expect continued
		type hello\n
		expect read hello
		expect P>
		type exit 0\n
	END
	[ "$status" = 0 ]
}

@test "an interactive shell inside has job control" {
	on_terminal $run bash --norc -i <<-END
		expect bash-
		type PS1="I> "; $job\n
		expect job runs
		type \032
		expect Stopped
		expect I>
		type jobs\n
		expect Stopped .*perl
		type fg\n
		expect continued
		type \003
		expect interrupts: 1
		expect I>
		type exit 5\n
	END
	[ "$status" = 5 ]
	[[ $output != *"no job control"* ]]
}

@test "after an interactive shell the caller has the terminal again" {
	on_terminal sh -c "$run bash --norc -i; echo ended \$?; read line && echo read \$line" <<-END
		expect bash-
		type exit 7\n
		expect ended 7
		type hello\n
		expect read hello
	END
	[ "$status" = 0 ]
}

# dash gives the terminal back to the group that it found, and says so where it cannot
leaves_dash() {
	on_terminal "$@" <<-'END'
		expect [#$] $
		type PS1="I> "\n
		expect \nI>
		type exit 7\n
	END
	[ "$status" = 7 ]
	[[ $output != *"process group"* ]]
	on_terminal "$@" <<-'END'
		expect [#$] $
		type PS1="I> "; (exit 7)\n
		expect \nI>
		type \004
	END
	[ "$status" = 7 ]
	[[ $output != *"process group"* ]]
}

@test "leaving dash, by exit 7 and by ^D: its status, in silence" {
	leaves_dash $run dash
	leaves_dash $run env dash
}

@test "leaving dash, as an ordinary user" {
	[ "$(id -u)" = 0 ] || skip "the test above is as one"
	setpriv --reuid 65534 --regid 65534 --clear-groups $run true || skip "user namespaces are forbidden"
	leaves_dash setpriv --reuid 65534 --regid 65534 --clear-groups $run dash
}

@test "after dash the caller has the terminal again" {
	on_terminal sh -c "$run dash; echo ended \$?; read line && echo read \$line" <<-'END'
		expect [#$] $
		type exit 7\n
		expect ended 7
		type hello\n
		expect read hello
	END
	[ "$status" = 0 ]
}

@test "^C ends a script that runs us, too, as it does with any command" {
	on_terminal dash -c "$run sh -c 'echo go; exec sleep 60'; echo the script goes on" <<-'END'
		expect go
		type \003
	END
	[ "$status" = 130 ]
	[[ $output != *"goes on"* ]]
}

@test "^Z, bg, and fg of a COMMAND that does not know of it" {
	on_terminal bash --norc -i <<-END
		type PS1="P> "\n
		expect \nP>
		type $run sh -c 'echo g""o; exec sed -u s/^/read:/'\n
		expect \ngo
		type \032
		expect Stopped .*portshunt
		expect P>
		type bg; wait\n
		expect Stopped .*portshunt
		expect P>
		type fg\n
		expect exec sed
		type hello\n
		expect read:hello
		type \004
		expect P>
		type exit \$?\n
	END
	[ "$status" = 0 ]
}

@test "a hang-up of the terminal ends it all" {
	perl "$BATS_TEST_DIRNAME/../tools/pty.pl" $run sh -c "echo go; exec sleep 60" \
		>/dev/null 3>&- <<<"expect go" &
	eventually 10 process_marked sleep
	kill -KILL $!
	wait $! || true
	all_gone
}

@test "a line on stderr does not stop us where background output stops" {
	# the foreground is COMMAND's process group, ours is in the background
	cat >"$dir/foreground" <<-'END'
		use POSIX;
		sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTTOU));
		setpgrp;
		tcsetpgrp(0, $$);
		system "stty tostop";
		print "in the foreground\n";
		exec "sleep", "60";
	END
	perl "$BATS_TEST_DIRNAME/../tools/pty.pl" bash --norc -i >"$dir/screen" 3>&- <<-END &
		type PS1="P> "\n
		expect \nP>
		type ${run/none/slirp4netns} perl $dir/foreground\n
		expect in the foreground
		expect the container has no network
		expect P>
		type exit \$?\n
	END
	eventually 10 process_marked sleep
	kill -KILL "$(our_pids | while read -r pid; do
		[ "$(<"/proc/$pid/comm")" != slirp4netns ] || echo "$pid"
	done)"
	status=0
	wait $! || status=$?
	cat "$dir/screen"
	[ "$status" = 125 ]
}
