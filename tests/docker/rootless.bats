# SPDX-License-Identifier: Apache-2.0
# docker-proxy under rootless Docker, which an ordinary user starts by dockerd-rootless.sh. Before
# version 28 rootlesskit-docker-proxy opens the port of the host and starts the docker-proxy that
# is first in PATH; since then dockerd does that by itself, with any userland-proxy-path.

load docker

setup_file() { docker_setup_file; }

setup() {
	local command

	docker_proxy_setup
	need_docker
	for command in rootlesskit slirp4netns newuidmap; do
		command -v $command >/dev/null || skip "$command is not installed: make check-docker"
	done
	script=$(PATH=$PATH:/usr/share/docker.io/contrib command -v dockerd-rootless.sh) ||
		skip "dockerd-rootless.sh is not installed: make check-docker"
	user_need
	rootlesskit_pid=
}

teardown() {
	local failed=0 name id

	for name in "${!peer_pid[@]}"; do
		peer_kill "$name"
	done
	if [ "$rootlesskit_pid" ]; then
		for id in $(docker_ask ps -aq); do
			docker_ask rm -f "$id" >/dev/null
		done
		kill "$rootlesskit_pid"
		eventually 30 pid_ended "$rootlesskit_pid" || { kill -KILL "$rootlesskit_pid"; failed=1; }
		wait "$rootlesskit_pid" || true
	fi
	docker_proxy_teardown || failed=1
	return $failed
}

teardown_file() { e2e_teardown_file; }

# rootless_start [DOCKERD_OPTION...] - in a network namespace of its own, $host, after the words
# in $path, which come first in PATH. Sets $version, Docker's first number.
rootless_start() {
	netns_make host
	host=$ns
	(
		children_close_fds
		exec nsenter --net="$host" "${user_wrap[@]}" PATH="${path:+$path:}$PATH:/usr/sbin:/sbin" \
			"$script" --data-root "$dir/data" --exec-root "$dir/exec" \
			-H "unix://$dir/docker.sock" -p "$dir/docker.pid" --storage-driver vfs "$@" \
			>"$dir/dockerd.log" 2>&1 </dev/null
	) &
	rootlesskit_pid=$!
	eventually 60 dockerd_answers && image_import || {
		tail -20 "$dir/dockerd.log"
		return 1
	}
	version=$(docker_ask version -f '{{.Server.Version}}')
	version=${version%%.*}
}

# container_start DOCKER_ARG... - sets $ns to its network
container_start() {
	docker_ask run -d --name web --security-opt seccomp=unconfined "$@" pstest:1 \
		/bin/busybox sleep 3600 >"$dir/run.out" 2>&1 || { cat "$dir/run.out"; return 1; }
	container_netns web
}

carried() {
	peer_start server server bulk --bytes 2m --netns "$ns" --port 7000
	on_host bulk --bytes 2m "$1" "$port"
	[ "$status" = 0 ]
	peer_wait server
	[ "$status" = 0 ]
}

@test "as userland-proxy-path: Docker 28 carries, before it docker run says why not" {
	rootless_start --userland-proxy-path "$OURS"
	free_port
	if [ "$version" -ge 28 ]; then
		container_start -p "$port:7000"
		[ -n "$(our_proxies)" ]
		carried 127.0.0.1
		carried ::1
		return
	fi
	run container_start -p "$port:7000"
	[ "$status" != 0 ]
	[[ $output == *"userland-proxy-path: $OURS: rootless Docker before 28 opens host ports by rootlesskit-docker-proxy alone, and port $port would stay closed; remove userland-proxy-path, and put the directory of this docker-proxy first in the PATH of dockerd"* ]]
	[ -z "$(our_proxies)" ]
}

# our_proxies - the processes of docker-proxy that are ours; slirp4netns is RootlessKit's here
our_proxies() {
	local pid

	for pid in $(our_pids); do
		[[ $(readlink "/proc/$pid/exe") != "$PORTSHUNT" ]] || echo "$pid"
	done
}

@test "first in PATH, before Docker 28: rootlesskit-docker-proxy starts it, and it carries" {
	path=$E2E_DIR
	rootless_start
	[ "$version" -lt 28 ] || skip "gone: Docker $version has no rootlesskit-docker-proxy"
	free_port
	container_start -p "$port:7000"
	[ -n "$(our_proxies)" ]
	carried 127.0.0.1
	carried ::1
	docker_ask rm -f web >/dev/null
	eventually 10 no_proxy_runs
}

no_proxy_runs() {
	[ -z "$(our_proxies)" ]
}
