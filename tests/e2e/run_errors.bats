# SPDX-License-Identifier: Apache-2.0
# What cannot work: one line on stderr, status 125, within a second, nothing left.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# refused TEXT COMMAND ARG... - the whole line is "portshunt: TEXT"; a * in it is a pattern
refused() {
	local text=$1 from=${EPOCHREALTIME/./} status=0 took

	shift
	timeout 10 "${wrap[@]}" "$PORTSHUNT" "$@" </dev/null >"$dir/out" 2>"$dir/err" 3>&- || status=$?
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
	[ ! -s "$dir/out" ] || { cat "$dir/out"; return 1; }
	if [[ $(cat "$dir/err") != portshunt:\ $text || $status != 125 || $took -ge $((${within:-1000} * ${PATIENCE:-1})) ]]; then
		echo "portshunt $*"
		printf 'expected: portshunt: %s\nstatus %s after %s ms, and: ' "$text" "$status" "$took"
		cat "$dir/err"
		return 1
	fi
	[ "$(wc -l <"$dir/err")" = 1 ]
}

# both TEXT ARG... - the same of run and of attach, who differ only in what is at the end
both() {
	local text=$1

	shift
	refused "${text//COMMAND/run}" run --tmpdir "$tmpdir" "$@" true
	# the host's own namespace will do for what fails before it is entered
	refused "${text//COMMAND/attach}" attach --netns /proc/self/ns/net "$@"
}

@test "no command, or one that there is not" {
	local all="use run, attach, add, remove, list, stats, reload or doctor; portshunt --help says what they do"

	refused "no command given: $all"
	refused "unknown command \"bogus\": $all" bogus
	refused "unknown command \"ls\": $all" ls
	refused "unknown command \"\": $all" ""
	refused "no command to run: portshunt run \[OPTIONS\] \[-p SPEC\]... COMMAND \[ARG...\]" run
	refused "no command to run: *" run -p 80 --
	refused "attach runs no command: what is \"true\"?" attach --pid 1 true
	refused "@forwarder is started by run and attach only" @forwarder
	refused "@init is started by run and attach only" @init 1 2
}

@test "unknown options, missing and surplus values" {
	both "unknown option --bogus: portshunt COMMAND --help lists them" --bogus
	both "unknown option --bogus=1: portshunt COMMAND --help lists them" --bogus=1
	both "unknown option -x: portshunt COMMAND --help lists them" -x
	both "unknown option -x: portshunt COMMAND --help lists them" --no-pivot-root -xyz
	both "option --no-pivot-root takes no value" --no-pivot-root=1
	both "option --help takes no value" --help=x
	for option in -p --publish --network --slirp4netns --tmpdir --id --datapath --child-ip \
		--ready-fd --exit-fd --log-level; do
		refused "option $option wants a value" run $option
		refused "option $option wants a value" attach --pid 1 $option
	done
	refused "option --netns wants a value" attach --netns
	refused "option --pid wants a value" attach --pid
}

@test "options without an effect" {
	local option all=()

	for option in --slirp4netns=x --no-pivot-root --tmpdir="$tmpdir" --id=x; do
		refused "${option%=*} has no effect without --network slirp4netns" \
			run --network none "$option" true
		refused "${option%=*} has no effect without --network slirp4netns" attach --pid 1 "$option"
	done
	refused "--drain-timeout has no effect without --take-over PATH" attach --pid 1 --drain-timeout 5
	refused "--control-from-command has no effect without --control PATH" \
		run --control-from-command true
	for option in --datapath=splice --child-ip=10.0.2.100 --limit=connections=1 \
		--rule-limit=connections=1 --udp-timeout=5 --udp-timeout-stream=5 --udp-sessions=5; do
		refused "${option%%=*} has no effect with port_handler=slirp4netns, which forwards the ports itself" \
			run --network slirp4netns:port_handler=slirp4netns "$option" -p 80/udp true
	done
	for option in --udp-timeout=5 --udp-timeout-stream=5 --udp-sessions=5; do
		refused "${option%=*} has no effect where no -p publishes a UDP port" run "$option" -p 80 true
	done
	# the environment is for whatever it has an effect on
	PORTSHUNT_LIMIT=connections=1 PORTSHUNT_DATAPATH=splice "$PORTSHUNT" run --tmpdir "$tmpdir" \
		--network slirp4netns:port_handler=slirp4netns true
}

@test "values that are none" {
	both 'invalid port "abc": *' -p abc
	both 'invalid port "": *' -p ""
	both 'invalid port "1:2:3:4": *' -p 1:2:3:4
	both 'invalid port "0:80": *' -p 0:80
	both 'invalid port "8080:80/sctp": *' -p 8080:80/sctp
	both 'invalid port "8080-8082:80": host and container port ranges have different lengths: 3 vs 1' \
		-p 8080-8082:80
	both 'unknown datapath "fast": use auto, shunt, sockmap or splice' --datapath fast
	both 'unknown network "bridge": use slirp4netns\[:KEY=VALUE,...\] or none' --network bridge
	both 'unknown option for slirp4netns: "foo"' --network slirp4netns:foo
	both 'invalid mtu "3"' --network slirp4netns:mtu=3
	both 'invalid cidr "10.0.2.0"' --network slirp4netns:cidr=10.0.2.0
	both '--child-ip "localhost" is not an IP address' --child-ip localhost
	both '--child-ip 127.0.0.2: an IPv4 address was given before' --child-ip 127.0.0.1 --child-ip 127.0.0.2
	both '--log-level "loud": use error, warn, info or debug' --log-level loud
	both '--id "a/b" does not do in a file name' --id a/b
	both '--id "" does not do in a file name' --id=
	both '--ready-fd "x" is not a number from 0 on' --ready-fd x
	both '--exit-fd "-1" is not a number from 0 on' --exit-fd -1
	both '--ready-fd 77: bad file descriptor' --ready-fd 77
	both '--exit-fd 77: bad file descriptor' --exit-fd 77
	refused '--pid "0" is not a number from 1 on' attach --pid 0
	refused '--pid "99999999999" is not a number from 1 on' attach --pid 99999999999
	refused '--pid "1x" is not a number from 1 on' attach --pid 1x
	both '--udp-timeout "0" is not a number from 1 on' --udp-timeout 0
	both '--udp-sessions "many" is not a number from 1 on' --udp-sessions many
	both '--udp-timeout-stream "-3" is not a number from 1 on' --udp-timeout-stream -3
}

@test "PORTSHUNT_DATAPATH is read, --datapath is stronger" {
	export PORTSHUNT_DATAPATH=fast
	both 'PORTSHUNT_DATAPATH: unknown datapath "fast": use auto, shunt, sockmap or splice'
	export PORTSHUNT_DATAPATH=splice
	both 'unknown datapath "slow": *' --datapath slow
	run -0 "$PORTSHUNT" run --log-level warn --network none true
	export PORTSHUNT_DATAPATH=
	run -0 "$PORTSHUNT" run --log-level warn --network none true
}

@test "run makes its network, attach needs one" {
	refused "run makes a new network: --netns and --pid are options of portshunt attach" \
		run --netns /proc/self/ns/net true
	refused "run makes a new network: *" run --pid 1 true
	refused "say which network namespace: either --netns PATH or --pid PID" attach
	refused "say which network namespace: either --netns PATH or --pid PID" \
		attach --pid 1 --netns /proc/self/ns/net
}

@test "a namespace that is none" {
	mkfifo "$dir/fifo"
	refused "cannot open the network namespace /nonexistent: no such file or directory" \
		attach --netns /nonexistent -p 80
	for path in "$dir/fifo" /etc/passwd /dev/zero "$dir" /proc/self/ns/mnt /proc/self/ns/user; do
		refused "$path is not a network namespace" attach --netns $path
	done
	refused "--pid 4194304: no such process" attach --pid 4194304
}

@test "a busy port: the words of Go's net package" {
	free_port
	httpd "0.0.0.0:$port"
	both "listen tcp 0.0.0.0:$port: bind: address already in use: * listens on 0.0.0.0:$port; take another port*" -p "$port:80"
	both "listen tcp 127.0.0.1:$port: bind: address already in use: * listens on 0.0.0.0:$port; *" -p "127.0.0.1:$port:80"
	both "listen tcp 0.0.0.0:$port: bind: address already in use: * listens on 0.0.0.0:$port; *" -p "0.0.0.0:$((port - 1))-$port:80-81"
	all_gone
	# a port that was opened before the busy one is free again
	not listening $((port - 1))
}

@test "a busy port of an IPv6 address" {
	has_ipv6 || skip "this host has no IPv6"
	free_port
	httpd "[::1]:$port"
	both "listen tcp \[::1\]:$port: bind: address already in use: * listens on \[::1\]:$port; *" -p "[::1]:$port:80"
}

@test "an address that the host does not have" {
	both "listen tcp 192.0.2.77:8080: bind: cannot assign requested address; \`ip address\` lists the addresses that this host has, --freebind publishes one that comes later" -p 192.0.2.77:8080:80
	has_ipv6 || return 0
	both "listen tcp \[2001:db8::77\]:8080: bind: cannot assign requested address; *" -p "[2001:db8::77]:8080:80"
}

@test "one port twice" {
	free_port 3
	both "cannot publish $port:81/tcp: an earlier -p has the same host port" -p "$port:80" -p "$port:81"
	both "cannot publish 127.0.0.1:$((port + 2)):81/tcp: an earlier -p has the same host port" \
		-p "$port-$((port + 2)):80-82" -p "127.0.0.1:$((port + 2)):81"
}

@test "a privileged port, as an ordinary user: podman's words" {
	local start=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)

	[ "$start" -gt 80 ] || skip "ports from $start on are everybody's here"
	as user
	both "cannot expose privileged port 80, you can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently $start), or choose a larger port number (>= $start): listen tcp 0.0.0.0:80: bind: permission denied" \
		-p 80:80
}

# broken SCRIPT - a slirp4netns with a right --help that otherwise does that
broken() {
	printf '#!/bin/sh\n[ "$1" != --help ] || exec slirp4netns --help\n%s\n' "$1" >"$dir/slirp4netns"
	chmod 755 "$dir/slirp4netns"
}

# no_network TEXT OPTION... - run and attach with slirp4netns fail so
no_network() {
	set -- "$1" --network slirp4netns --tmpdir "$tmpdir" -p 127.0.0.1::80 "${@:2}"
	refused "$1" run "${@:2}" true
	if [ "$(id -u)" = 0 ]; then
		[ -n "${ns:-}" ] || netns_make
		refused "$1" attach --netns "$ns" "${@:2}"
	fi
	all_gone
}

@test "slirp4netns: missing, no program, not executable" {
	no_network 'checking slirp4netns binary /nonexistent: "slirp4netns \\"\\": fork/exec /nonexistent: no such file or directory": slirp4netns "": fork/exec /nonexistent: no such file or directory' \
		--slirp4netns /nonexistent
	no_network "checking slirp4netns binary /etc/passwd: *: permission denied" --slirp4netns /etc/passwd
	no_network "checking slirp4netns binary $dir: *: permission denied" --slirp4netns "$dir"
	no_network "could not find slirp4netns, the network namespace can't be configured: *" \
		--slirp4netns no-such-slirp4netns
}

@test "slirp4netns is in no directory of PATH" {
	mkdir "$dir/bin"
	for program in getsubids newuidmap newgidmap; do
		ln -s "$(command -v $program)" "$dir/bin"
	done
	wrap=(env PATH="$dir/bin")
	refused "could not find slirp4netns, the network namespace can't be configured: exec: \"slirp4netns\": executable file not found in \$PATH (install it, or name it with --slirp4netns PATH)" \
		run --tmpdir "$tmpdir" -p 80 true
	all_gone
}

@test "slirp4netns: dies in --help, at once, after a word, by a signal, closes its pipe" {
	local slirp=$dir/slirp4netns

	printf '#!/bin/sh\necho broken; exit 3' >"$slirp"
	chmod +x "$slirp"
	no_network 'checking slirp4netns binary '"$slirp"': "slirp4netns \\"broken\\\\n\\": exit status 3": slirp4netns "broken\\n": exit status 3' \
		--slirp4netns "$slirp"
	broken 'exit 1'
	no_network "$slirp failed: \"\" (exit status 1)" --slirp4netns "$slirp"
	broken 'echo "no such luck"; echo "at all" >&2; exit 1'
	no_network "$slirp failed: \"no such luck\\\\nat all\\\\n\"" --slirp4netns "$slirp"
	broken 'kill -KILL $$'
	no_network "$slirp killed by signal" --slirp4netns "$slirp"
	# this one does not go when it is asked to either
	within=2000
	broken 'exec 4>&-; exec sleep 60'
	no_network "failed to read from $slirp sync pipe: EOF" --slirp4netns "$slirp"
}

@test "slirp4netns: an option that this one has not" {
	printf '#!/bin/sh\n' >"$dir/slirp4netns"
	chmod +x "$dir/slirp4netns"
	no_network "cidr not supported" --network slirp4netns:cidr=10.1.2.0/24 --slirp4netns "$dir/slirp4netns"
	no_network "enable_ipv6 not supported" --slirp4netns "$dir/slirp4netns"
}

@test "--tmpdir that is not there, or not ours" {
	refused "failed to open slirp4netns log file /nonexistent/slirp4netns-x.log: no such file or directory" \
		run --tmpdir /nonexistent --id x true
	as user
	refused "failed to open slirp4netns log file /etc/slirp4netns-x.log: permission denied" \
		run --tmpdir /etc --id x true
	all_gone
}

@test "--exit-fd on a plain file" {
	refused "cannot watch --exit-fd 8: operation not permitted" \
		run --network none --exit-fd 8 true 8</etc/passwd
}

@test "--log-json holds for errors too" {
	for arguments in "run --log-json --bogus" "run --log-json" "attach --log-json" \
		"run --log-json --network none -p 192.0.2.77:80:80 true"; do
		run -125 --separate-stderr "$PORTSHUNT" $arguments
		echo "$stderr" | perl -MJSON::PP -ne 'exit(decode_json($_)->{level} ne "error")'
		[ "${#stderr_lines[@]}" = 1 ]
	done
}

@test "too few files" {
	# wherever the start comes to its end by them
	for n in {4..14}; do
		wrap=(env ASAN_OPTIONS=detect_leaks=0 prlimit --nofile=$n:$n)
		refused "*: too many open files" run --tmpdir "$tmpdir" -p 127.0.0.1:8765:80 true
		all_gone
	done
}

@test "no memory for more processes: namespaces are refused" {
	need_root
	wrap=(unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"' -)
	refused "cannot make namespaces: no space left on device" run --tmpdir "$tmpdir" true
	all_gone
}

@test "--help and --version, and a stdout that takes nothing" {
	for command in run attach; do
		run -0 "$PORTSHUNT" $command --help
		[[ ${lines[0]} == "Usage: portshunt $command [OPTIONS]"* ]]
		[ "${#lines[@]}" -gt 15 ]
		# an option before it must be right
		refused 'invalid port "x": *' $command -p x --help
	done
	run -0 "$PORTSHUNT" --help
	[[ $output == *"attach"*"run"* || $output == *"run"*"attach"* ]]
	run -0 "$PORTSHUNT" run --version
	[ "$output" = "$("$PORTSHUNT" --version)" ]
}
