# SPDX-License-Identifier: Apache-2.0
# The drop-in for Docker's userland proxy: what dockerd says to it and hears from it.
# tests/docker/ has it under a real dockerd, and beside the original.

load lib
load docker_proxy_lib

setup_file() {
	e2e_setup_file
	docker_proxy_setup_file
}
setup() { docker_proxy_setup; }
teardown() { docker_proxy_teardown; }
teardown_file() { e2e_teardown_file; }

target=(-container-ip 127.0.0.1 -container-port 80)

# told_is STATUS BYTES ARG... - it ends with that status and these bytes on fd 3.
told_is() {
	local wanted="$1 $2"

	proxy_outcome "${@:3}"
	[ "$outcome" = "$wanted" ] ||
		{ printf '%s\ninstead of: %s\nfor: %s\n' "$outcome" "$wanted" "${*:3}"; return 1; }
}

@test "ready: 0 and a newline on fd 3, which is closed; one quiet process with its argv" {
	free_port
	args=(-proto tcp -host-ip 127.0.0.1 -host-port "$port" "${target[@]}")
	proxy_runs "${args[@]}"
	[ ! -s "$dir/proxy.err" ] && [ ! -s "$dir/proxy.out" ]
	[ "$(our_pids)" = "$proxy_pid" ]
	[ "$(tr '\0' ' ' <"/proc/$proxy_pid/cmdline")" = "$proxy ${args[*]} " ]
	pgrep -f "docker-proxy.*-host-port $port " | grep -qx "$proxy_pid"
	[ "$(cat "/proc/$proxy_pid/comm")" = docker-proxy ]
	ps -C docker-proxy -o pid= | grep -qwx " *$proxy_pid"
	pgrep -x docker-proxy | grep -qx "$proxy_pid"
	ss -Hltnp "sport = :$port" | grep -q "\"docker-proxy\",pid=$proxy_pid,"
	[ ! -e "/proc/$proxy_pid/task/$proxy_pid/fd/0" ] ||
		[ "$(readlink "/proc/$proxy_pid/fd/0")" = /dev/null ]
	! readlink "/proc/$proxy_pid"/fd/* | grep told || return 1
	grep -qE '^CapEff:\s0+$' "/proc/$proxy_pid/status"
	grep -qE '^NoNewPrivs:\s1$' "/proc/$proxy_pid/status"
}

@test "SIGINT and SIGTERM end it with 0, and its connections with FIN" {
	published_start
	for signal in INT TERM; do
		peer_start server server hold --control --netns "$ns" --port 7000
		peer_start client client exchange --send 10 --finish hold 127.0.0.1 "$port"
		eventually 10 connected
		proxy_stop "${proxy_pids[0]}" "$signal"
		[ "$status" = 0 ]
		peer_wait client
		[[ $output == *"recv: EOF"* ]]
		peer_kill server
		proxy_pids=("${proxy_pids[@]}")
		proxy_runs -proto tcp -host-ip 0.0.0.0 -host-port "$port" \
			-container-ip "$child4" -container-port 7000
		proxy_pids=("$proxy_pid" "${proxy_pids[@]:0:${#proxy_pids[@]}-1}")
	done
}

connected() {
	[ -n "$(nsenter --net="$ns" ss -Htn state established "sport = :7000")" ]
}

@test "what is wrong is told on fd 3, with status 1" {
	free_port
	peer_start busy server sink -4 --control --port "$port"
	on=(-host-ip 127.0.0.1 -host-port "$port")
	told_is 1 "\$'1\nlisten tcp4 127.0.0.1:$port: bind: address already in use'" "${on[@]}" "${target[@]}"
	told_is 1 "\$'1\nlisten tcp4 0.0.0.0:$port: bind: address already in use'" \
		-host-port "$port" "${target[@]}"
	peer_kill busy
	told_is 1 "\$'1\nlisten udp4 192.0.2.1:$port: bind: cannot assign requested address'" \
		-proto udp -host-ip 192.0.2.1 -host-port "$port" "${target[@]}"
	told_is 1 "\$'1\nlisten tcp6 [2001:db8::1]:$port: bind: cannot assign requested address'" \
		-host-ip 2001:db8::1 -host-port "$port" "${target[@]}"
	told_is 1 "\$'1\nlisten tcp4 127.0.0.1:70000: bind: invalid argument'" \
		-host-ip 127.0.0.1 -host-port 70000 "${target[@]}"
	told_is 1 "\$'1\nlisten tcp4 0.0.0.0:-1: bind: invalid argument'" "${target[@]}"
	told_is 1 "\$'1\n-container-ip is missing'" "${on[@]}" -container-port 80
	told_is 1 "\$'1\n-container-port -1 is no port'" "${on[@]}" -container-ip 127.0.0.1
	told_is 1 "\$'1\n-container-port 65536 is no port'" "${on[@]}" "${target[@]}" -container-port 65536
	told_is 1 "\$'1\nunsupported protocol sctp: portshunt forwards tcp and udp'" \
		-proto sctp "${on[@]}" "${target[@]}"
	told_is 1 "\$'1\nunsupported protocol icmp'" -proto icmp "${on[@]}" "${target[@]}"
}

@test "flags as Go reads them; what is none ends it with 2, and nothing on fd 3" {
	free_port
	for args in "-host-ip=127.0.0.1 -host-port=$port" "--host-ip 127.0.0.1 --host-port $port" \
		"-host-ip 192.0.2.1 -host-port 1 -host-ip=127.0.0.1 -host-port $port" \
		"-host-ip ::ffff:127.0.0.1 -host-port $(printf 0x%x "$port")"; do
		proxy_outcome "${target[@]}" $args and what follows
		[ "$outcome" = runs ]
	done
	told_is 2 "'' flag provided but not defined: -bogus" -bogus 3
	told_is 2 "'' flag needs an argument: -host-ip" -host-ip
	told_is 2 "'' bad flag syntax: ---host-ip" ---host-ip ::1
	told_is 2 "'' invalid value \"8o\" for flag -host-port: parse error" -host-port 8o
	told_is 2 "'' invalid value \"99999999999999999999\" for flag -host-port: value out of range" \
		-host-port 99999999999999999999
	told_is 2 "'' invalid value \"1.2.3\" for flag -host-ip: invalid IP address: 1.2.3" \
		-host-ip 1.2.3
	told_is 2 "'' invalid boolean value \"no\" for -use-listen-fd: parse error" -use-listen-fd=no
	told_is 0 "'' Usage of $proxy:" -h
	run "$proxy" -v
	[[ $output =~ ^docker-proxy\ .*\ version\ [0-9.]+$ ]]
}

@test "PORTSHUNT_DATAPATH names the datapath; one that is none is told" {
	free_port
	on=(-host-ip 127.0.0.1 -host-port "$port" "${target[@]}")
	PORTSHUNT_DATAPATH=wormhole told_is 1 \
		"\$'1\nPORTSHUNT_DATAPATH: unknown datapath \"wormhole\": use auto, shunt, sockmap or splice'" \
		"${on[@]}"
	PORTSHUNT_DATAPATH=splice proxy_runs "${on[@]}"
}

@test "PORTSHUNT_RULE_LIMIT limits; what is no limit is told" {
	container_make
	free_port
	on=(-host-ip 127.0.0.1 -host-port "$port" -container-ip "$child4" -container-port 7000)
	PORTSHUNT_RULE_LIMIT=connections=no told_is 1 \
		"\$'1\nPORTSHUNT_RULE_LIMIT: \"no\" is neither a number from 1 to 1000000000 nor off'" \
		"${on[@]}"
	PORTSHUNT_RULE_LIMIT=connections=2 proxy_runs "${on[@]}"
	peer_start server server hold --control --connections 100 --netns "$ns" --port 7000
	peer_start client client hold --control --connections 3 127.0.0.1 "$port"
	peer_read client
	peer_ask client "ping 1500"
	[ "$line" = "answered 2, silent 1" ]
	peer_ask client "close 1"
	peer_ask client "ping 5000"
	[ "$line" = "answered 2, silent 0" ]
	grep -q -- '--rule-limit connections=2 is reached' "$dir/proxy.err"
}

@test "every datapath carries what is sent, both ways and between the families" {
	need_root
	datapaths=(splice auto)
	[ "${BPF:-1}" = 0 ] || datapaths+=(shunt sockmap)
	has_ipv6 || skip "this host has no IPv6"
	container_make
	for PORTSHUNT_DATAPATH in "${datapaths[@]}"; do
		export PORTSHUNT_DATAPATH
		for child in "$child4" "$child6"; do
			free_port
			proxy_runs -host-ip 127.0.0.1 -host-port "$port" -container-ip "$child" \
				-container-port 7000
			proxy_runs -host-ip ::1 -host-port "$port" -container-ip "$child" \
				-container-port 7000
			for at in 127.0.0.1 ::1; do
				peer_start server server bulk --bytes 20m --netns "$ns" --port 7000
				peer_start client client bulk --bytes 20m "$at" "$port"
				peer_wait client
				[ "$status" = 0 ]
				peer_wait server
				[ "$status" = 0 ]
			done
			for pid in "${proxy_pids[@]}"; do
				proxy_stop "$pid"
				[ "$status" = 0 ]
			done
		done
	done
}

@test "half-closes, resets and a closed port are as they should be" {
	published_start
	compare half-close --bytes 100k -- half-close --bytes 100k
	compare server-half-close --bytes 100k -- server-half-close --bytes 100k
	compare sink -- rst --bytes 50000
	saw "received: 50000 bytes" "recv: ECONNRESET"
	compare rst --read 8 --bytes 5 -- exchange --bytes 8 --finish hold
	saw "received: 5 bytes" "recv: ECONNRESET"
	for family in "${families[@]}"; do
		client_to "$family"
		run "$PEER" client connect "${to[@]}"
		[[ $output == *"recv: ECONNRESET"* ]]
	done
	compare echo -- echo --bytes 1000
}

@test "UDP, by both families" {
	published_start udp
	peer_start server server udp-echo --control --netns "$ns" --port 7000
	for at in 127.0.0.1 127.0.0.2 "$host4" ${families[1]:+::1 "$host6"}; do
		run "$PEER" client udp-echo --write-size 0-65507 --step 1000 "$at" "$port"
		[ "$output" = "echoed: 67, wrong: 0, lost: 0, refused: 0" ]
	done
	# many clients at once, from the first datagram on
	peer_start clients client udp-hold --connections 200 127.0.0.1 "$port"
	peer_read clients
	peer_ask clients "ping 10000"
	[[ $line == *200* ]]
}

# with_fd4 tcp|udp PORT COMMAND... - executes it with a socket that was opened as dockerd does
with_fd4() {
	exec perl -MSocket -MPOSIX -e 'my ($type, $port, @command) = @ARGV;
		socket(my $s, AF_INET, $type eq "tcp" ? SOCK_STREAM : SOCK_DGRAM, 0) or die;
		bind($s, sockaddr_in($port, INADDR_LOOPBACK)) or die;
		$type eq "udp" or listen($s, 128) or die;
		POSIX::dup2(fileno($s), 4) or die;
		close($s) if fileno($s) != 4;
		exec(@command) or die;' "$@"
}

@test "-use-listen-fd: fd 4 is the socket, whatever -host-ip and -host-port say" {
	container_make
	free_port
	published_ports+=("$port")
	export -f with_fd4
	wrap=(bash -c 'with_fd4 "$@"' - tcp "$port")
	proxy_runs -proto tcp -host-ip 192.0.2.1 -host-port 1 -container-ip "$child4" \
		-container-port 7000 -use-listen-fd
	wrap=(bash -c 'with_fd4 "$@"' - udp "$port")
	proxy_runs -proto udp -host-ip 192.0.2.1 -host-port 1 -container-ip "$child4" \
		-container-port 7000 -use-listen-fd=true
	wrap=()
	peer_start tcp server bulk --bytes 2m --netns "$ns" --port 7000
	peer_start udp server udp-echo --control --netns "$ns" --port 7000
	"$PEER" client bulk --bytes 2m 127.0.0.1 "$port"
	peer_wait tcp
	[ "$status" = 0 ]
	run "$PEER" client udp-echo --write-size 1-100 127.0.0.1 "$port"
	[ "$output" = "echoed: 100, wrong: 0, lost: 0, refused: 0" ]

	free_port
	wrap=(bash -c 'with_fd4 "$@"' - udp "$port")
	told_is 1 "\$'1\nunexpected socket type for listener fd: it is not tcp'" \
		"${target[@]}" -use-listen-fd
	wrap=(bash -c 'exec 4>&-; exec "$@"' -)
	told_is 1 "\$'1\n-use-listen-fd: fd 4: bad file descriptor'" "${target[@]}" -use-listen-fd
}

# rootlesskit_starts TEXT [STATUS] - its API is below $state, and says that of itself
rootlesskit_starts() {
	[ -z "${rootlesskit_pid:-}" ] || proxy_stop "$rootlesskit_pid" TERM
	rm -f "$state/api.sock"
	perl "$e2e_root/tests/tools/rootlesskit.pl" "$state/api.sock" "$@" 3>&- &
	rootlesskit_pid=$!
	proxy_pids+=($rootlesskit_pid)
	eventually 10 test -S "$state/api.sock"
}

# What dockerd starts is by its whole path, what rootlesskit-docker-proxy starts is not.
@test "rootless Docker before 28, as userland-proxy-path: one line instead of a closed port" {
	free_port
	state=$dir/$(printf 'long%.0s' {1..30})
	mkdir "$state"
	wrap=(env ROOTLESSKIT_STATE_DIR="$state")
	unable="1 \$'1\ncannot find out whether rootless Docker opens host port $port: the RootlessKit API at $state/api.sock:"
	on=(-host-ip 0.0.0.0 -host-port "$port" "${target[@]}")

	proxy_outcome "${on[@]}"
	[ "$outcome" = "$unable no such file or directory'" ]
	for driver in builtin slirp4netns; do
		rootlesskit_starts '{"version":"1.1.0","networkDriver":{"driver":"slirp4netns"},"portDriver":{"driver":"'$driver'","protos":["tcp"]}}'
		for host in 0.0.0.0 127.0.0.1 ::; do
			told_is 1 "\$'1\nuserland-proxy-path: $proxy: rootless Docker before 28 opens host ports by rootlesskit-docker-proxy alone, and port $port would stay closed; remove userland-proxy-path, and put the directory of this docker-proxy first in the PATH of dockerd'" \
				"${on[@]}" -host-ip $host
		done
		PATH=$E2E_DIR:$PATH proxy=docker-proxy proxy_outcome "${on[@]}" -host-ip 127.0.0.1
		[ "$outcome" = runs ]
	done

	export -f with_fd4
	wrap=(env ROOTLESSKIT_STATE_DIR="$state" bash -c 'with_fd4 "$@"' - tcp "$port")
	proxy_outcome "${on[@]}" -use-listen-fd
	[ "$outcome" = runs ]
	wrap=(env ROOTLESSKIT_STATE_DIR=)
	proxy_outcome "${on[@]}"
	[ "$outcome" = runs ]

	wrap=(env ROOTLESSKIT_STATE_DIR="$state")
	rootlesskit_starts nonsense
	proxy_outcome "${on[@]}"
	[[ $outcome == "$unable invalid JSON at byte "* ]]
	rootlesskit_starts '{}' "500 Internal Server Error"
	proxy_outcome "${on[@]}"
	[[ $outcome == "$unable \"HTTP/1.0 500 Internal"* ]]
	rootlesskit_starts @drip
	proxy_outcome "${on[@]}"
	[ "$outcome" = "$unable connection timed out'" ]
}

@test "rootless Docker whose port driver opens what is listened on: it runs" {
	free_port
	state=$dir/state
	mkdir "$state"
	wrap=(env ROOTLESSKIT_STATE_DIR="$state")
	for text in '{"networkDriver":{"driver":"pasta"}}' '{"portDriver":null}' \
		'{"portDriver":{"driver":"implicit"}}' '{"portDriver":{"driver":"none"}}'; do
		rootlesskit_starts "$text"
		proxy_outcome -host-ip 0.0.0.0 -host-port "$port" "${target[@]}"
		[ "$outcome" = runs ]
	done
}

@test "without fd 3 it works as well, and no socket of its own is taken for it" {
	container_make
	free_port
	"$proxy" -host-ip 127.0.0.1 -host-port "$port" -container-ip "$child4" \
		-container-port 7000 3>&- 2>"$dir/proxy.err" &
	proxy_pids+=($!)
	eventually 10 listening "$port"
	peer_start server server echo --netns "$ns" --port 7000
	"$PEER" client echo --bytes 100 127.0.0.1 "$port"
	run bash -c 'exec "$@" 3>&-' - "$proxy" -host-ip 127.0.0.1 -host-port "$port" "${target[@]}"
	[ "$status" = 1 ]
	[[ $output == *"listen tcp4 127.0.0.1:$port: bind: address already in use" ]]
}

@test "when descriptors run out clients wait, and are served when there are some again" {
	container_make
	free_port
	wrap=(prlimit --nofile=64:64)
	proxy_runs -host-ip 127.0.0.1 -host-port "$port" -container-ip "$child4" \
		-container-port 7000
	wrap=()
	peer_start server server hold --control --netns "$ns" --port 7000
	peer_start clients client hold --control --connections 60 127.0.0.1 "$port"
	peer_read clients
	eventually 10 grep -q 'too many open files' "$dir/proxy.err"
	peer_start late client hold --ping --control 127.0.0.1 "$port"
	peer_kill clients
	peer_read late
	[[ $line == *1* ]]
}
