# SPDX-License-Identifier: Apache-2.0
# What portshunt run gives COMMAND: all that its caller had, and a PID namespace.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

in_run() {
	"${wrap[@]}" "$PORTSHUNT" run --log-level warn "$@"
}

# same COMMAND... - prints natively and in run the same.
same() {
	"$@" >"$dir/same" 2>&1 3>&- || true
	mv "$dir/same" "$dir/native"
	in_run -- "$@" >"$dir/same" 2>&1 3>&- || true
	[ -s "$dir/native" ]
	diff "$dir/native" "$dir/same"
}

@test "directory, umask, limits, priority" {
	cd "$dir/www"
	umask 027
	same prlimit --nofile=100:200 --core=0:5 --stack=1000000 \
		nice -n 5 sh -c 'pwd; umask; ulimit -aS; ulimit -aH; nice; cat /proc/self/oom_score_adj'
}

@test "ports in TIME_WAIT are reused inside, and the host's setting stays" {
	local file=/proc/sys/net/ipv4/tcp_tw_reuse who before

	before=$(<$file)
	for who in root user; do
		as $who
		[ "$(in_run --network none -- cat $file)" = 1 ]
		[ "$(<$file)" = "$before" ]
	done
}

@test "environment" {
	native=$(env -i A=1 "B C"=$'2\n3' PATH=/nowhere /usr/bin/env -0 | od -c)
	inside=$(env -i A=1 "B C"=$'2\n3' PATH=/nowhere "$PORTSHUNT" run --network none \
		/usr/bin/env -0 2>/dev/null | od -c)
	diff <(echo "$native") <(echo "$inside")
}

# What is open, without the number of the process that looks.
open_files='ls -l /proc/self/fd >"$1"
	sed -n "s/.* \([0-9]* -> .*\)/\1/p" "$1" | sed "s,/[0-9]*/fd\$,/PID/fd,"'

@test "open files: the caller's, nothing of ours" {
	exec {pipe}<> <(:)
	same bash -c "$open_files" - "$dir/list" 7</etc/passwd 8>"$dir/out" 250</dev/null
	grep -q '^7 -> /etc/passwd' "$dir/same"
	grep -q "^$pipe -> pipe:" "$dir/same"
	same bash -c "$open_files" - "$dir/list" 0<&-
	same bash -c "exec 0<&- 2>&-; $open_files" - "$dir/list"
}

@test "closed standard streams stay closed, and nothing of ours slips in" {
	local list='ls -l /proc/self/fd >"$1"' what='s/.* \([0-9]* -> [^0-9]*\).*/\1/p'

	bash -c "$list" - "$dir/native" 0<&- 1>&- 2>&- 3>&-
	"$PORTSHUNT" run -- bash -c "$list" - "$dir/inside" 0<&- 1>&- 2>&- 3>&-
	diff <(sed -n "$what" "$dir/native") <(sed -n "$what" "$dir/inside" | sed s/inside/native/)
}

@test "signals: what was blocked and ignored" {
	cat >"$dir/signals" <<-'END'
		use POSIX;
		$SIG{$_} = "IGNORE" for qw(PIPE CHLD USR2 TSTP);
		sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR1, SIGTERM, SIGCHLD, SIGTTOU));
		exec @ARGV;
	END
	native=$(perl "$dir/signals" grep -E 'Sig(Blk|Ign)' /proc/self/status)
	inside=$(perl "$dir/signals" "$PORTSHUNT" run --network none -- \
		grep -E 'Sig(Blk|Ign)' /proc/self/status 2>/dev/null)
	diff <(echo "$native") <(echo "$inside")
	[ "$(echo "$native" | wc -l)" = 2 ]
	same grep -E 'Sig(Blk|Ign)' /proc/self/status
}

@test "RLIMIT_NOFILE: soft and hard, also where we need more" {
	same prlimit --nofile=30:5000 sh -c 'ulimit -Sn; ulimit -Hn'
}

@test "stdin and stdout are pipes to COMMAND, with their ends" {
	[ "$(printf 'a\nb' | in_run -- cat | od -c)" = "$(printf 'a\nb' | od -c)" ]
	run -141 bash -o pipefail -c '"$1" run -- yes | head -1' - "$PORTSHUNT"
	[ "${lines[-1]}" = y ]
}

@test "a pipe that COMMAND closes is closed, while it goes on" {
	mkfifo "$dir/out" "$dir/in"
	(
		exec 3>&- >"$dir/out" 8>&1
		exec "$PORTSHUNT" run --log-level warn -- sh -c 'exec >&- 8>&-; exec sleep 60'
	) &
	portshunt_pid=$!
	run -0 timeout 10 cat "$dir/out"
	not pid_ended "$portshunt_pid"
	portshunt_stop TERM

	(
		exec 3>&- <"$dir/in"
		exec "$PORTSHUNT" run --log-level warn -- sh -c 'exec <&-; exec sleep 60'
	) &
	portshunt_pid=$!
	# SIGPIPE
	run -141 timeout 10 sh -c 'exec yes >"$1"' - "$dir/in"
	not pid_ended "$portshunt_pid"
}

@test "exit status: COMMAND's, 128+N of a signal" {
	local status

	for status in 0 1 7 125 255; do
		run "-$status" in_run -- sh -c "exit $status"
		[ -z "$output" ]
	done
	run -143 in_run -- sh -c 'kill -TERM $$'
	[ -z "$output" ]
	run -137 in_run -- sh -c 'kill -KILL $$'
	run -134 in_run -- sh -c 'ulimit -c 0; kill -ABRT $$'
	[ -z "$output" ]
}

@test "exit status: 126 what is not executable, 127 what is not there, and one line" {
	local command

	for command in "$dir" "$dir/www/index.html"; do
		run -126 in_run -- "$command"
		[ "$output" = "portshunt: cannot execute $command: permission denied" ]
	done
	for command in nonexistent "$dir/nonexistent"; do
		run -127 in_run -- "$command"
		[ "$output" = "portshunt: cannot execute $command: no such file or directory" ]
	done
	# a file and no directory; a directory of PATH that is closed to us
	run -127 in_run -- "$dir/www/index.html/command"
	[[ $output == *": not a directory" ]]
	as user
	mkdir -m 700 "$dir/closed"
	wrap+=(PATH="$dir/closed:$PATH")
	run -127 in_run -- nonexistent
	[ "${lines[-1]}" = "portshunt: cannot execute nonexistent: no such file or directory" ]
	all_gone
}

@test "the words of COMMAND are its own, also those that look like options" {
	[ "$(in_run printf '%s|' -p --help '' -- 'a b')" = '-p|--help||--|a b|' ]
	[ "$(in_run -- printf '%s|' -p)" = '-p|' ]
}

# Without the shunt, whose walker is there as well.
isolated() {
	export PORTSHUNT_DATAPATH=splice
	[ "$(in_run -- sh -c 'echo $$ $PPID; readlink /proc/self; cat /proc/[0-9]*/comm')" = \
		$'2 1\n3\nportshunt\nsh' ]
	# of the host's /proc nothing is left
	[ "$(in_run -- sh -c 'echo /proc/[1-9]*')" = "/proc/1 /proc/2" ]
}

@test "a PID namespace: PID 1 is ours, /proc shows it alone" {
	isolated
}

@test "a PID namespace, as an ordinary user" {
	as user
	isolated
}

@test "PID 1 reaps orphans" {
	in_run -- bash -c '
		(bash -c "echo \$BASHPID >'"$dir"'/orphan" &)
		for ((i = 0; i < 500; i++)); do
			[ -s '"$dir"'/orphan ] && [ ! -e /proc/$(<'"$dir"'/orphan) ] && exit 0
			read -t 0.01 <> <(:)
		done
		exit 1'
}

@test "what COMMAND leaves running ends with it" {
	in_run -- sh -c 'setsid sleep 6543 & setsid nohup sleep 6544 >/dev/null 2>&1 & exit 0'
	all_gone
}

@test "COMMAND cannot kill PID 1, and ends it with itself" {
	[ "$(in_run -- sh -c 'kill -KILL 1; kill -STOP 1; kill -TERM 1; kill -KILL -1
		cat /proc/1/comm')" = portshunt ]
	all_gone
}

@test "the network: lo and tap0 up, IPv6 without waiting for DAD" {
	# it is there when COMMAND starts, unless it takes longer than 500 ms
	look() {
		inside=$(in_run -- sh -c 'ip -br addr; ip route; ip -6 addr show dev tap0')
		! has_ipv6 || [[ $inside == *"inet6 fd00::"* ]]
	}
	eventually 5 look || true
	[[ $inside == *"lo "*"127.0.0.1/8"* ]]
	[[ $inside == *"tap0 "*"10.0.2.100/24"* ]]
	[[ $inside == *"default via 10.0.2.2 dev tap0"* ]]
	has_ipv6 || return 0
	[[ $inside == *"inet6 fd00::"*"scope global"* ]]
	[[ $inside != *tentative* ]]
	[ "$(in_run -- cat /proc/sys/net/ipv6/conf/default/accept_dad)" = \
		"$(cat /proc/sys/net/ipv6/conf/default/accept_dad)" ]
}

@test "--network none: lo alone, up" {
	[[ $(in_run --network none -- ip -br addr) =~ ^lo\ +UNKNOWN\ +127\.0\.0\.1/8\ ::1/128\ *$ ]]
}

@test "--network slirp4netns: options change the network, the later value wins" {
	inside=$(in_run --network slirp4netns:cidr=10.9.8.0/24,mtu=1400 \
		--network slirp4netns:mtu=1300,enable_ipv6=false -- \
		sh -c 'ip addr show dev tap0; cat /etc/resolv.conf')
	[[ $inside == *"mtu 1300"* ]]
	[[ $inside == *"inet 10.9.8.100/24"* ]]
	[[ $inside == *"nameserver 10.9.8.3"* ]]
	[[ $inside != *"inet6 fd00:"* ]]
}
