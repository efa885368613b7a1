# SPDX-License-Identifier: Apache-2.0
# What each process keeps of users, capabilities and files, read from /proc, and who gets into it:
# a process with the capabilities that Docker gives to a container, in the host's PID namespace,
# and a container's root, whose user is ours. The manual has the table, portshunt-security(7).

load lib
load rootlessport_lib
load run_lib
load docker_proxy_lib

setup_file() {
	e2e_setup_file
	docker_proxy_setup_file
}
setup() {
	rootlessport_setup
	proxy=$OURS
	proxy_pids=()
	# what must become 0
	ulimit -S -c "$(ulimit -H -c)"
}
teardown() {
	proxies_stop
	rootlessport_teardown
}
teardown_file() { e2e_teardown_file; }

# of PID KEY - that line of /proc/PID/status, without the key
of() {
	awk -v key="$2:" '$1 == key { $1 = ""; print substr($0, 2) }' "/proc/$1/status"
}

# capabilities PID - "EFFECTIVE PERMITTED BOUNDING", without zeros in front
capabilities() {
	printf '%x %x %x' "0x$(of "$1" CapEff)" "0x$(of "$1" CapPrm)" "0x$(of "$1" CapBnd)"
}

# is NAME VALUE EXPECTED - they are equal
is() {
	[ "$2" = "$3" ] && return
	echo "$1: $2, not $3"
	return 1
}

# hidden PID - nobody dumps it, and it makes the system calls of its list
hidden() {
	[ -n "${SAN:-}" ] || is "filter of $1" "$(of "$1" Seccomp)" 2
	is "core files of $1" "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$1/limits")" "0 0"
	is "no_new_privs of $1" "$(of "$1" NoNewPrivs)" 1
}

# sealed PID [CAPABILITIES] - and it has no files, and no capabilities but those
sealed() {
	local bounding=0

	hidden "$1"
	# a user's bounding set is emptied in a user namespace, which a sanitizer cannot have
	[ -z "${SAN:-}" ] || bounding=$(printf '%x' "0x$(of "$1" CapBnd)")
	is "capabilities of $1" "$(capabilities "$1")" "${2:-0} ${2:-0} $bounding"
	[ -n "${SAN:-}" ] || is "root of $1" "$(find "/proc/$1/root/" "/proc/$1/cwd/" | sort -u | wc -l)" 2
	[ -n "${SAN:-}" ] || is "root of $1 can be written to" \
		"$(mkdir "/proc/$1/root/x" 2>&1 | grep -c 'Read-only file system')" 1
	is "mounts of $1 are the host's" "$([ -n "${SAN:-}" ] || [ "$(readlink "/proc/$1/ns/mnt")" != \
		"$(readlink /proc/self/ns/mnt)" ] && echo no)" no
}

# own_id PID - a user and a group that nobody else has
own_id() {
	local ids

	ids=$(of "$1" Uid)
	[[ $ids =~ ^([0-9]+)" "([0-9]+)" "([0-9]+)" "([0-9]+)$ ]]
	[ "${BASH_REMATCH[1]}" -ge $((0xf0000000)) ]
	is "ids of $1" "$ids" "$(of "$1" Gid)"
	is "ids of $1" "$(tr ' ' '\n' <<<"$ids" | sort -u | wc -l)" 1
	is "groups of $1" "$(of "$1" Groups)" ""
	is "processes with the id of $1" "$(grep -l "^Uid:.${BASH_REMATCH[1]}[^0-9]" /proc/[0-9]*/status \
		2>/dev/null | grep -vc "/proc/$1/")" "${2:-0}"
}

# attach DATAPATH [OPTION...] - sets $supervisor, $forwarder, $netns
attach() {
	netns_make
	wrap=(setpriv --groups 1,2)
	portshunt_start attach --netns "$ns" --datapath "$1" --child-ip 127.0.0.1 -p 7000 "${@:2}"
	wrap=()
	published 7000
	supervisor=$(supervisor_pid) forwarder=$(pid_of @forwarder) netns=$(pid_of @netns)
}

# the supervisor of the wrapped process, which setpriv or nsenter executed
supervisor_pid() {
	local pid

	for pid in $(our_pids); do
		! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q ' attach ' || echo "$pid"
	done
}

# forks - the processes that forwarder and netns child have started
forks() {
	cat /proc/"$forwarder"/task/*/children /proc/"$netns"/task/*/children
}

# raw_sockets PID - how many of those that it has
raw_sockets() {
	find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n' |
		grep -cxFf - <(awk 'FNR > 1 { print $10 }' "/proc/$1/net/raw" "/proc/$1/net/raw6") || true
}

# transferred - a connection works
transferred() {
	peer_start server server echo --netns "$ns" --port 7000
	run "$PEER" client echo --bytes 100k 127.0.0.1 "$port"
	echo "$output"
	[ "$status" = 0 ]
	peer_kill server
}

# A container of Docker's without options: dockerd's default capabilities, uid 0.
docker_capabilities=chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap
docker_capabilities+=,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap
as_docker=(setpriv --inh-caps -all --bounding-set "-all,+${docker_capabilities//,/,+}")
intrude=$BATS_TEST_DIRNAME/../tools/intrude.pl

# closed_to WORDS... - none of ours is open to the command after them; one without
# capabilities of the same user, which is not of ours, is
closed_to() {
	local pids open

	pids=$(our_pids)
	[ "$(wc -w <<<"$pids")" -ge "$n_processes" ]
	open=$("$@" perl "$intrude" $pids)
	echo "open: $open" | sed "s/^/# /"
	[ -z "$open" ]
}

@test "as root, forwarder, walkers and netns child have ids of their own, no files, no capabilities" {
	need_root
	attach splice
	[ "$(wc -w <<<"$supervisor $forwarder $netns")" = 3 ]
	own_id "$forwarder"
	sealed "$forwarder"
	own_id "$netns"
	sealed "$netns" 1000 # CAP_NET_ADMIN
	hidden "$supervisor"
	is "capabilities of the supervisor" "$(capabilities "$supervisor")" "1422 1422 0"
	# what they log goes to the supervisor, by a pipe: they have no terminal to type into
	for pid in "$forwarder" "$netns"; do
		[[ $(readlink "/proc/$pid/fd/2") == pipe:* ]]
	done
	transferred
}

@test "as root, the shunt's walkers are closed as well" {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	need_root
	attach shunt
	transferred
	[ "$(forks | wc -w)" = 2 ]
	for pid in $(forks); do
		sealed "$pid"
	done
	pid=$(cat /proc/"$forwarder"/task/*/children)
	own_id "${pid% }"
	# a fork of the netns child, which has given up what it takes to change it
	own_id "$netns" 1
}

@test "as root, the ICMP child has the raw sockets, the forwarder none; without UDP there is no such process" {
	need_root
	attach splice
	[ "$(forks)" = "" ]
	[ "$(raw_sockets "$forwarder")" = 0 ]
	portshunt_stop
	for how in "-p 7001/udp" "--control $dir/control"; do
		attach splice $how
		icmp=$(forks)
		icmp=${icmp% }
		own_id "$icmp"
		sealed "$icmp"
		! has_ipv6 || is "raw sockets of the ICMP child" "$(raw_sockets "$icmp")" 2
		[ "$(raw_sockets "$icmp")" -ge 1 ]
		for pid in "$supervisor" "$forwarder" "$netns"; do
			is "raw sockets of $pid" "$(raw_sockets "$pid")" 0
		done
		portshunt_stop
	done
}

@test "as root, no process is open to one with a container's capabilities" {
	need_root
	attach splice -p 7001/udp
	n_processes=4
	setpriv --inh-caps -all --bounding-set -all sleep 60 3>&- &
	local plain=$!
	eventually 5 grep -q '^sleep' "/proc/$plain/cmdline"
	for way in pidfd_getfd /proc/PID/root ptrace; do
		"${as_docker[@]}" perl "$intrude" "$plain" | grep -q "$way"
	done
	kill "$plain"
	closed_to "${as_docker[@]}"
	free_port
	proxy_runs -proto tcp -host-ip 127.0.0.1 -host-port "$port" -container-ip 127.0.0.1 -container-port 7000
	n_processes=5
	closed_to "${as_docker[@]}"
}

@test "docker-proxy has an id of its own, no files, no capabilities, and the signal of its parent's death" {
	need_root
	free_port
	proxy_runs -proto tcp -host-ip 127.0.0.1 -host-port "$port" -container-ip 127.0.0.1 -container-port 7000
	own_id "$proxy_pid"
	sealed "$proxy_pid"
	free_port
	# as dockerd: SIGTERM when it dies
	sh -c 'setpriv --pdeathsig TERM "$@" & wait' - "$proxy" -proto tcp -host-ip 127.0.0.1 \
		-host-port "$port" -container-ip 127.0.0.1 -container-port 7000 3>"$dir/told2" &
	local parent=$!
	eventually 5 grep -qs 0 "$dir/told2"
	kill -KILL $parent
	wait $parent || true
	proxy_stop "$proxy_pid"
	eventually 5 nothing_runs
}

@test "an ordinary user's processes are closed to the container's root, who is that user" {
	user_need
	wrap=("${user_wrap[@]}")
	"${user_wrap[@]}" unshare --user --map-root-user --net sh -c 'ip link set lo up; exec sleep 60' 3>&- &
	local container=$!
	eventually 5 grep -q '^sleep' "/proc/$container/cmdline"
	portshunt_start attach --pid "$container" --datapath splice --child-ip 127.0.0.1 -p 7000
	n_processes=3
	supervisor=$(supervisor_pid) forwarder=$(pid_of @forwarder) netns=$(pid_of @netns)
	hidden "$supervisor"
	sealed "$forwarder"
	sealed "$netns" 1000
	closed_to "${user_wrap[@]}"
	closed_to nsenter --user="/proc/$container/ns/user" --setuid 0 --setgid 0
	kill "$container"
	wait "$container" || true
	portshunt_stop || true
}

@test "rootlessport's processes are closed to a container with Docker's capabilities in podman's user namespace" {
	user_need
	user_namespaces
	free_port
	config "" "$(mapping "$port" 7000)"
	helper_go "${wrapped[@]}"
	n_processes=3
	forwarder=$(pid_of @forwarder) netns=$(pid_of @netns)
	sealed "$forwarder"
	sealed "$netns" 1000
	supervisor=$(our_pids | tr ' ' '\n' | grep -vx -e "$forwarder" -e "$netns")
	hidden "$supervisor"
	is "capabilities of the supervisor" "$(capabilities "$supervisor")" "20 20 0"
	closed_to nsenter --user="/proc/$supervisor/ns/user" --setuid 0 --setgid 0 "${as_docker[@]}"
	helper_exit
}
