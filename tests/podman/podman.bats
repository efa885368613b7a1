# SPDX-License-Identifier: Apache-2.0
# Real podman with nothing replaced but its rootlessport, as root and as an ordinary user.

bats_require_minimum_version 1.5.0
load ../e2e/lib
load ../e2e/run_lib

setup_file() { e2e_setup_file; }

setup() {
	local command

	run_setup
	for command in podman runc slirp4netns busybox; do
		command -v $command >/dev/null || skip "$command is not installed: make check-podman"
	done
	# 108 bytes are what podman's sockets may have in all
	pod=$(mktemp -d /tmp/pstest-XXXXXX)
	mkdir -p "$pod/helpers" "$pod/root/bin" "$pod/root/www"
	ln -s "$PORTSHUNT" "$pod/helpers/rootlessport"
	cp "$(readlink -f "$(command -v busybox)")" "$pod/root/bin/busybox"
	ln -s busybox "$pod/root/bin/httpd"
	mkdir "$pod/root"/{proc,sys,dev,etc,tmp,run}
	echo "a page" >"$pod/root/www/index.html"
	: >"$pod/containers.conf"
	chmod 777 "$pod"
	started=no
	networks=slirp4netns helpers=$pod/helpers
	free_port 4
	published_ports+=("$port" $((port + 1)) $((port + 2)))
}

teardown() {
	local failed=0 group

	if [ "$started" = yes ]; then
		podman_ask rm -f -a -t 0 >/dev/null || failed=1
		# the process that keeps an ordinary user's namespaces
		[ "$who" = root ] || podman_ask system migrate || failed=1
	fi
	# conmon has it clean up once more
	eventually 10 not pgrep -f "$pod" >/dev/null || { pgrep -af "$pod"; failed=1; }
	run_teardown || failed=1
	find /sys/fs/cgroup -depth -type d -path "*pstest-$$-podman*" -exec rmdir {} + 2>/dev/null || true
	rm -rf "$pod"
	return $failed
}

teardown_file() { e2e_teardown_file; }

# be root|user - who runs podman in this test
be() {
	[ "$1" = user ] || need_root
	as "$1"
	[ "$1" = root ] || chown -R "$(as_user id -u)" "$pod"
	started=yes
}

podman_ask() {
	(
		children_close_fds
		timeout 60 "${wrap[@]}" env CONTAINERS_CONF="$pod/containers.conf" \
			${helpers:+CONTAINERS_HELPER_BINARY_DIR="$helpers"} \
			podman --storage-driver vfs --root "$pod/storage" --runroot "$pod/run" --tmpdir "$pod/tmp" \
			--cgroup-manager=cgroupfs "$@"
	)
}

# container NAME OPTION... - serves "a page" at port 80. What podman says is in $dir/podman.out,
# its status in $status.
container() {
	local name=$1 cgroup=()

	shift
	status=0
	# an ordinary user has none, and says nothing about it
	[ "$who" != root ] || cgroup=(--cgroup-parent "pstest-$$-podman")
	podman_ask run -d --name "$name" --runtime runc --security-opt seccomp=unconfined \
		"${cgroup[@]}" --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 \
		--network $networks "$@" --rootfs "$pod/root" \
		httpd -f -p 80 -h /www >"$dir/podman.out" 2>&1 || status=$?
	cat "$dir/podman.out"
}

# served PORT - podman's "running" is before the server's listen
served() {
	eventually 10 page "http://127.0.0.1:$1/"
}

ours_listens() {
	[ "$(our_pids | grep -c .)" -ge 3 ] && listening "$1"
}

one_port() {
	container one -p "$port:80"
	[ "$status" = 0 ]
	ours_listens "$port"
	served "$port"
	pages "$port"
	podman_ask restart -t 0 one
	served "$port"
	podman_ask rm -f -t 0 one
	# slirp4netns is podman's
	eventually 5 nothing_runs
	not listening "$port"
}

range_and_udp() {
	local six=()

	! has_ipv6 || six=(-p "[::1]:$((port + 3)):80")
	container one -p "127.0.0.1:$port-$((port + 1)):80-81" -p "$((port + 2)):80/udp" "${six[@]}"
	[ "$status" = 0 ]
	served "$port"
	listening "$((port + 1))"
	listening_udp "$((port + 2))"
	! has_ipv6 || page "http://[::1]:$((port + 3))/"
}

two_on_one_port() {
	container one -p "$port:80"
	[ "$status" = 0 ]
	container two -p "$port:80"
	[ "$status" = 126 ]
	grep -q 'Error: rootlessport listen tcp 0.0.0.0:.*ddress already in use' "$dir/podman.out"
	served "$port"
}

# bridges BACKEND - an ordinary user with two bridge networks of it, named one and two: podman
# has our helper told where the container is by its reload socket then.
bridges() {
	local needs

	local -A program=([netavark]=/usr/lib/podman/netavark [cni]=/usr/lib/cni/bridge)

	for needs in iptables "${program[$1]}"; do
		command -v "$needs" >/dev/null || skip "$needs is not installed: make check-podman"
	done
	be user
	printf '[network]\nnetwork_backend = "%s"\n' "$1" >"$pod/containers.conf"
	networks=one
	podman_ask network create one >"$dir/podman.out" 2>&1 || {
		cat "$dir/podman.out"
		: >"$pod/containers.conf" # podman has to tidy up, too
		! grep -q 'cni support is not enabled' "$dir/podman.out" ||
			skip "gone: $(podman --version) is built without CNI"
		return 1
	}
	podman_ask network create two
	container web -p "$port:80" -p "$((port + 1)):81"
	[ "$status" = 0 ]
	served "$port"
	live_start
}

# live_start - a connection that stays open, to an echo server at port 81.
live_start() {
	podman_ask exec -d web busybox nc -ll -p 81 -e /bin/busybox cat
	eventually 10 live_opened
}

live_opened() {
	exec {live}<>"/dev/tcp/127.0.0.1/$((port + 1))" && live_answers
}

live_answers() {
	local line

	echo "still there?" >&"$live" && read -r -t 5 -u "$live" line && [ "$line" = "still there?" ]
} 2>/dev/null

addresses() {
	podman_ask inspect web -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'
}

# reload_and_connect - what leaves the container's address as it is.
reload_and_connect() {
	local was

	was=$(addresses)
	podman_ask network reload web
	[ "$(addresses)" = "$was" ]
	live_answers
	pages "$port"
	podman_ask network connect two web
	live_answers
	pages "$port"
}

@test "root: a port, and the same after a restart; nothing is left of it" {
	be root
	one_port
}

@test "an ordinary user: a port, and the same after a restart; nothing is left of it" {
	be user
	one_port
}

@test "root: a range, and UDP" {
	be root
	range_and_udp
}

@test "an ordinary user: a range, and UDP" {
	be user
	range_and_udp
}

@test "root: a second container on the same port" {
	be root
	two_on_one_port
}

@test "an ordinary user: a second container on the same port" {
	be user
	two_on_one_port
}

@test "an ordinary user: a privileged port" {
	[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 80 ] || skip "80 is not privileged"
	be user
	container one -p 80:80
	[ "$status" = 126 ]
	grep -q 'Error: rootlessport cannot expose privileged port 80,' "$dir/podman.out"
}

# Podman 4.3.1 tells the helper of a new network only where another has gone; and of netavark
# it can leave one network, not a second.
@test "an ordinary user: a bridge network of netavark, reloaded and connected; another is left" {
	bridges netavark
	reload_and_connect
	podman_ask network disconnect two web
	live_answers
	pages "$port"
	podman_ask restart -t 0 web
	served "$port"
}

@test "an ordinary user: the address of a container in a bridge network of netavark changes" {
	bridges netavark
	podman_ask network connect two web
	podman_ask network disconnect one web
	pages "$port"
	podman_ask network connect one web
	pages "$port"
}

# podman 4.3.1 takes the container out of both when it is to leave one of CNI's
@test "an ordinary user: a bridge network of CNI, reloaded and connected" {
	bridges cni
	reload_and_connect
	podman_ask restart -t 0 web
	served "$port"
}

# opens_from_container PID... - what a process in the container "one" opens of them
opens_from_container() {
	podman_ask exec one busybox sh -c 'for pid; do for file in root/ cwd/ environ maps mem; do
			if [ -d "/proc/$pid/$file" ] && ls "/proc/$pid/$file"; then
				echo "$pid $file"
			elif [ ! -d "/proc/$pid/$file" ] && : <"/proc/$pid/$file"; then
				echo "$pid $file"
			fi
		done; done' - "$@" 2>/dev/null | grep -E '^[0-9]+ [a-z/]+$' || true
}

@test "an ordinary user: a container in the host's PID namespace gets into none of our processes" {
	local plain ours pid

	be user
	container one --pid host -p "$port:80"
	[ "$status" = 0 ]
	served "$port"
	ours=$(for pid in $(our_pids); do [[ $(readlink "/proc/$pid/exe") != "$PORTSHUNT" ]] || echo "$pid"; done)
	[ "$(wc -w <<<"$ours")" = 3 ]
	[ -z "$(opens_from_container $ours)" ]
	# it would, if they were as other processes without capabilities
	podman_ask unshare setpriv --inh-caps -all --bounding-set -all busybox sleep 60 3>&- &
	eventually 5 test_sleeps
	plain=$(pgrep -u "$(as_user id -u)" -fx 'busybox sleep 60')
	[ "$(opens_from_container "$plain" | wc -l)" = 5 ]
	kill "$plain"
}

test_sleeps() {
	pgrep -u "$(as_user id -u)" -fx 'busybox sleep 60' >/dev/null
}

@test "containers.conf as README.md has it; podman's own when ours is gone" {
	be user
	helpers=
	sed -n '/^    \[engine\]/,/^$/ { s/^    //; s,/usr/local/libexec/portshunt,'"$pod/helpers"',; p }' \
		"$e2e_root/README.md" >"$pod/containers.conf"
	container one -p "$port:80"
	[ "$status" = 0 ]
	ours_listens "$port"
	served "$port"
	podman_ask rm -f -t 0 one
	rm "$pod/helpers/rootlessport"
	container one -p "$port:80"
	[ "$status" = 0 ]
	served "$port"
	not grep -lq "$PORTSHUNT" /proc/[0-9]*/maps
}

@test "podman that has not opted in uses its own" {
	be root
	rm "$pod/helpers/rootlessport"
	container one -p "$port:80"
	[ "$status" = 0 ] || [[ $(cat "$dir/podman.out") == *'could not find "rootlessport"'* ]]
	not grep -lq "$PORTSHUNT" /proc/[0-9]*/maps
}
