# SPDX-License-Identifier: Apache-2.0
# docker-proxy started by a real dockerd: what is published is reached from the host, by both
# families, from the containers themselves, and again after a restart.

load docker

setup_file() { docker_setup_file; }
setup() { docker_proxy_setup; }
teardown() { docker_teardown; }
teardown_file() { e2e_teardown_file; }

# carried - 2 MB both ways to port 7000 in $ns, from $host at each of the addresses
carried() {
	local at

	for at; do
		peer_start server server bulk --bytes 2m --netns "$ns" --port 7000
		on_host bulk --bytes 2m "$at" "$port"
		[ "$status" = 0 ] || { echo "at $at"; return 1; }
		peer_wait server
		[ "$status" = 0 ]
	done
}

# pinged ADDRESS - from the host
pinged() {
	nsenter --net="$host" busybox ping6 -c 1 -W 1 "$1" >/dev/null 2>&1
}

# reached - its IPv6 address, and that of the bridge, are there a moment after its start
reached() {
	pinged "fd14:$n::1" && pinged "$(docker_ask inspect -f \
		'{{.NetworkSettings.GlobalIPv6Address}}' "$1")"
}

@test "TCP: from the host by IPv4 and IPv6, hairpin, restart, stop" {
	dockerd_start
	free_port
	container_run web -p "$port:7000"
	[ "$(proxies)" = 2 ]
	[ "$(our_pids | wc -l)" = 2 ]
	eventually 10 reached web
	carried 127.0.0.1 127.0.0.2 "10.214.$n.1" ::1 "fd14:$n::1"

	# hairpin: the container reaches itself by the host's address and port
	peer_start server server echo --netns "$ns" --port 7000
	run "$PEER" client echo --bytes 100k --netns "$ns" "10.214.$n.1" "$port"
	[ "$status" = 0 ]
	peer_wait server

	docker_ask restart -t 0 web >/dev/null
	[ "$(proxies)" = 2 ]
	container_netns web
	eventually 10 reached web
	carried 127.0.0.1 ::1

	docker_ask stop -t 0 web >/dev/null
	[ "$(proxies)" = 0 ]
	nothing_runs
}

@test "TCP: an IPv6 client of a container that has IPv4 only" {
	dockerd_start
	docker_ask network create --subnet "10.215.$n.0/24" four >/dev/null
	free_port
	container_run web --network four -p "$port:7000"
	carried 127.0.0.1 ::1
}

@test "UDP: from the host by IPv4 and IPv6" {
	dockerd_start
	free_port
	container_run dns -p "$port:7000/udp"
	peer_start server server udp-echo --control --netns "$ns" --port 7000
	eventually 10 reached dns
	for at in 127.0.0.1 ::1; do
		on_host udp-echo --write-size 0-65507 --step 1000 "$at" "$port"
		[ "$output" = "echoed: 67, wrong: 0, lost: 0, refused: 0" ]
	done
}

# Docker 28 binds the port itself, and has the proxy take it over.
@test "a busy port, an unknown datapath: docker run tells what the proxy said" {
	dockerd_start
	free_port
	peer_start busy server sink --control --netns "$host" --port "$port"
	run container_run web -p "$port:7000"
	[ "$status" != 0 ]
	[[ $output == *"rror starting userland proxy: listen tcp4 0.0.0.0:$port: bind: address already in use"* ||
		$output == *"failed to bind host port"*":$port"*": address already in use"* ]]
	dockerd_stop
	netns_delete "${namespaces[0]}"
	namespaces=()

	wrap=(env PORTSHUNT_DATAPATH=wormhole)
	dockerd_start
	run container_run web -p "$port:7000"
	[ "$status" != 0 ]
	[[ $output == *'rror starting userland proxy: PORTSHUNT_DATAPATH: unknown datapath "wormhole"'* ]]
}

@test "dockerd is killed: the proxies end with it" {
	dockerd_start
	free_port
	container_run web -p "$port:7000"
	[ "$(our_pids | wc -l)" = 2 ]
	dockerd_kill
	eventually 10 nothing_runs
}
