# SPDX-License-Identifier: Apache-2.0
# What the tests with a real dockerd share: a daemon in a network and a mount namespace of its
# own, so that its bridge, its iptables rules, its mounts, and what it puts into /run and /opt go
# with it, and containers in it.
#
#	$host		that network namespace: the host, to these containers
#
# The containers are empty but for busybox; servers and clients are peers that get their
# sockets from the namespaces.

load ../e2e/lib
load ../e2e/docker_proxy_lib

docker_setup_file() {
	e2e_setup_file
	docker_proxy_setup_file
}

# need_docker - skips where there is none, or it cannot run.
need_docker() {
	local command

	need_root
	for command in dockerd docker busybox iptables; do
		command -v $command >/dev/null || skip "$command is not installed: make check-docker"
	done
}

# dockerd_start - with $proxy as its userland proxy, and the words of $wrap around it.
dockerd_start() {
	need_docker
	netns_make host
	host=$ns
	cgroup=/pstest-$$-docker
	had_etc=$([ ! -e /etc/docker ] || echo yes)
	n=$((RANDOM % 250 + 1))
	(
		children_close_fds
		exec nsenter --net="$host" unshare -m --propagation slave "${wrap[@]}" bash -c \
			'mount -t tmpfs none /run && mount -t tmpfs none /opt && exec "$@"' - \
			dockerd --data-root "$dir/data" --exec-root "$dir/exec" -H "unix://$dir/docker.sock" \
			-p "$dir/docker.pid" --storage-driver vfs --userland-proxy-path "$proxy" \
			--cgroup-parent "$cgroup" --bip "10.214.$n.1/24" \
			--ipv6 --fixed-cidr-v6 "fd14:$n::/64" >"$dir/dockerd.log" 2>&1 </dev/null
	) &
	dockerd_pid=$!
	eventually 60 dockerd_answers && image_import && return
	tail -20 "$dir/dockerd.log"
	return 1
}

docker_ask() {
	timeout 60 docker -H "unix://$dir/docker.sock" "$@"
}

dockerd_answers() {
	docker_ask version >/dev/null 2>&1
}

image_import() {
	mkdir -p "$dir/root/bin"
	cp "$(command -v busybox)" "$dir/root/bin/"
	tar -C "$dir/root" -c . | docker_ask import - pstest:1 >/dev/null
}

# container_run NAME DOCKER_ARG... - it does nothing but be there. Sets $ns to its network.
container_run() {
	local name=$1

	shift
	docker_ask run -d --name "$name" --ulimit nofile=1024:1024 \
		--security-opt seccomp=unconfined "$@" pstest:1 /bin/busybox sleep 3600 \
		>"$dir/run.out" 2>&1 || { cat "$dir/run.out"; return 1; }
	container_netns "$name"
}

container_netns() {
	ns=/proc/$(docker_ask inspect -f '{{.State.Pid}}' "$1")/ns/net
}

# proxies - how many there are of $port.
proxies() {
	pgrep -fc "docker-prox[y] .*-host-port $port " || true
}

# on_host PEER_ARG... - a client there. Sets $output, $status.
on_host() {
	run "$PEER" client "$@" --netns "$host"
	[ "$status" = 0 ] || echo "$output"
}

dockerd_stop() {
	local pid=$dockerd_pid id

	dockerd_pid=
	for id in $(docker_ask ps -aq); do
		docker_ask rm -f "$id" >/dev/null
	done
	kill "$pid"
	eventually 30 pid_ended "$pid" || { echo "dockerd does not end"; kill -KILL "$pid"; return 1; }
	wait "$pid" || true
	rest_remove
}

# rest_remove - what dockerd leaves outside of its namespaces.
rest_remove() {
	[ "$had_etc" ] || { rm -f /etc/docker/key.json; rmdir /etc/docker; }
	find /sys/fs/cgroup -depth -type d -path "*$cgroup*" -exec rmdir {} +
}

# dockerd_kill - with SIGKILL; containers and their shims go on, as they are meant to, until
# they are killed as well.
dockerd_kill() {
	local pid=$dockerd_pid

	dockerd_pid=
	kill -KILL "$pid"
	wait "$pid" || true
	eventually 10 container_killed
	rest_remove
}

container_killed() {
	local left

	left="$(pgrep -f "$dir/exec") $(cat "/sys/fs/cgroup/pids$cgroup"/*/cgroup.procs)"
	[ "${left// /}" ] || return 0
	kill -KILL $left 2>/dev/null || true
	return 1
}

docker_teardown() {
	local failed=0 name

	for name in "${!peer_pid[@]}"; do
		peer_kill "$name"
	done
	[ -z "${dockerd_pid:-}" ] || dockerd_stop || failed=1
	[ -z "${host:-}" ] || ns=$host
	docker_proxy_teardown || failed=1
	return $failed
}
