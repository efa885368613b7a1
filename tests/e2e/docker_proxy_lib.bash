# SPDX-License-Identifier: Apache-2.0
# What the tests of docker-proxy share, besides lib.bash: proxies as dockerd starts them, and
# what they tell it on fd 3.
#
#	$proxy		the program: ours, or the original

# docker_proxy_setup_file - after e2e_setup_file; sets $OURS, a link to $PORTSHUNT.
docker_proxy_setup_file() {
	ln -s portshunt "$E2E_DIR/docker-proxy"
	export OURS=$E2E_DIR/docker-proxy
}

docker_proxy_setup() {
	e2e_setup
	proxy=$OURS
	proxy_pids=()
}

docker_proxy_teardown() {
	proxies_stop
	e2e_teardown
}

# proxy_start ARG... - starts $proxy after the words in $wrap, waits until it closes fd 3 or
# ends, and sets $told to what it said there, with a dot behind it, and $proxy_pid. stderr
# is in $dir/proxy.err.
proxy_start() {
	rm -f "$dir/told"
	mkfifo "$dir/told"
	(
		children_close_fds
		exec "${wrap[@]}" "$proxy" "$@" 3>"$dir/told" 2>"$dir/proxy.err" \
			>"$dir/proxy.out" </dev/null
	) &
	proxy_pid=$!
	proxy_pids+=($proxy_pid)
	told=$(timeout 30 cat "$dir/told" && echo .)
}

# proxy_runs ARG... - and it has to say that it does.
proxy_runs() {
	proxy_start "$@"
	[ "$told" = $'0\n.' ] && return
	printf '%s told "%s"\n' "$*" "$told"
	cat "$dir/proxy.err"
	return 1
}

# proxy_stop PID [SIGNAL] - sets $status; fails when it had to be killed. 0: it ends by itself.
proxy_stop() {
	local pid

	kill "-${2:-INT}" "$1" 2>/dev/null || true
	for pid in "${!proxy_pids[@]}"; do
		[ "${proxy_pids[pid]}" != "$1" ] || unset "proxy_pids[$pid]"
	done
	if ! eventually 10 pid_ended "$1"; then
		kill -KILL "$1"
		echo "docker-proxy, pid $1, did not end within 10 s"
		return 1
	fi
	status=0
	wait "$1" || status=$?
}

proxies_stop() {
	local pid

	for pid in "${proxy_pids[@]}"; do
		proxy_stop "$pid"
	done
}

# proxy_outcome ARG... - sets $outcome: "runs", or its exit status, the bytes of fd 3 as bash
# quotes them, and the first line of stderr.
proxy_outcome() {
	local said

	proxy_start "$@"
	if [ "$told" = $'0\n.' ]; then
		outcome=runs
		proxy_stop "$proxy_pid"
		return
	fi
	proxy_stop "$proxy_pid" 0
	printf -v told %q "${told%.}"
	said=$(head -1 "$dir/proxy.err")
	outcome="$status $told${said:+ $said}"
}

# container_make - a namespace that is reached by a bridge of its own, as Docker's are. Sets
# $ns, $child4, $child6, $host4, $host6.
container_make() {
	netns_make c
	netns_veth c
}

# published_start [udp] - container port 7000 on $port of every address, by two proxies, one a
# family, as dockerd does it. Sets $port and $families, for compare.
published_start() {
	container_make
	free_port
	published_ports+=("$port")
	families=(4)
	proxy_runs -proto "${1:-tcp}" -host-ip 0.0.0.0 -host-port "$port" \
		-container-ip "$child4" -container-port 7000
	has_ipv6 || return 0
	families+=(6)
	proxy_runs -proto "${1:-tcp}" -host-ip :: -host-port "$port" \
		-container-ip "$child6" -container-port 7000
}
