# SPDX-License-Identifier: Apache-2.0
# portshunt as podman's rootlessport: what podman relies on, and where it does better than the
# original. What it says to each configuration is compared in rootlessport_compare.bats.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load rootlessport_lib

setup_file() { e2e_setup_file; }
setup() {
	rootlessport_setup
	netns_make
	httpd 80 "$ns"
	free_port 4
	published_ports+=("$port")
}
teardown() { rootlessport_teardown; }
teardown_file() { e2e_teardown_file; }

@test "a page over both families, by every datapath that PORTSHUNT_DATAPATH can name" {
	local datapath

	config '' "$(mapping "$port" 80)"
	for datapath in auto splice; do
		helper_go env PORTSHUNT_DATAPATH=$datapath
		pages "$port"
		helper_exit
		[ "$status" = 0 ]
	done
	helper_start "$ours" env PORTSHUNT_DATAPATH=magic
	[ -z "$ready" ]
	helper_wait
	[ "$status" = 1 ]
	grep 'PORTSHUNT_DATAPATH.*magic' "$dir/helper.out"
	helper_start "$ours" env PORTSHUNT_LIMIT=ports=1
	helper_wait
	[ "$status" = 1 ]
	grep 'PORTSHUNT_LIMIT: there is no limit "ports"' "$dir/helper.out"
}

@test "an argument is too many" {
	local out status=0

	out=$("$ours" --help 2>&1 >/dev/null) || status=$?
	[ "$status" = 1 ]
	[ "$out" = "too many arguments, rootlessport expects a json config via STDIN" ]
}

# As root, auto may be the shunt, which has walkers besides; an ordinary user's is splice.
@test "ready is one byte and the end; by then it holds nothing of podman's" {
	local pid fd

	export PORTSHUNT_DATAPATH=splice
	config '' "$(mapping "$port" 80)"
	helper_go
	[ -z "$(timeout 10 cat <&"$ready_fd")" ]
	[ "$(our_pids | wc -l)" = 3 ]
	for pid in $(our_pids); do
		for fd in 0 1 2; do
			[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]
		done
		[ "$pid" = "$helper_pid" ] || not grep -q "$dir/" <(ls -l "/proc/$pid/fd")
	done
	# on stderr as long as podman listened
	grep -q 'to publish to 127.0.0.1, datapath' "$dir/helper.err"
}

# resident_below KB - all of a container's helper together
resident_below() {
	[ "$(our_pids | sed 's,.*,/proc/&/status,' | xargs awk '/^VmRSS:/ { n += $2 } END { print n }')" -lt "$1" ]
}

@test "what waits is small: 4 MB at most" {
	[ -z "${SAN:-}" ] || skip "sanitized: ASan has memory of its own"
	export PORTSHUNT_DATAPATH=splice
	config '' "$(mapping "$port" 80)"
	helper_go
	eventually 5 resident_below 4096
	for i in {1..50}; do
		page "http://127.0.0.1:$port/"
	done
	resident_below 4096
}

@test "the end of ExitFD is its end, with 0, and leaves rp/ alone" {
	config ',"RootlessCNI":true' "$(mapping "$port" 80)"
	helper_go
	[ -S "$tmpdir/t/rp/c0ffee" ]
	[ "$(stat -c %a "$tmpdir/t/rp")" = 700 ]
	echo "a byte is no end" >&"$exit_fd"
	pages "$port"
	helper_exit
	[ "$status" = 0 ]
	all_gone
	not listening "$port"
	[ "$(find "$tmpdir/t" -mindepth 1 -printf '%P\n')" = rp ]
}

@test "SIGTERM ends it as well; of SIGKILL to any part nothing is left but the socket's file" {
	local part signal pid

	config ',"RootlessCNI":true' "$(mapping "$port" 80)"
	helper_go
	kill -TERM "$helper_pid"
	helper_wait
	[ "$status" = 0 ]
	[ ! -e "$tmpdir/t/rp/c0ffee" ]
	for part in helper forwarder netns; do
		helper_go
		pid=$helper_pid
		[ "$part" = helper ] || { portshunt_pid=$helper_pid; process_of "$part"; portshunt_pid=; }
		kill -KILL "$pid"
		helper_wait
		[ "$status" != 0 ]
		all_gone
		closed "$port"
	done
	# the file that the killed one left is replaced
	helper_go
	[ "$(reload '"127.0.0.1"')" = OK ]
}

@test "ps, pgrep and ss show all its processes as rootlessport" {
	local pid

	config '' "$(mapping "$port" 80)"
	helper_go
	[ "$(our_pids | wc -l)" -ge 3 ]
	for pid in $(our_pids); do
		ps -C rootlessport -o pid= | grep -qwx " *$pid"
		pgrep -x rootlessport | grep -qx "$pid"
		pgrep -f rootlessport | grep -qx "$pid"
		[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") =~ ^[^\ ]*rootlessport\  ]]
	done
	ss -Hltnp "sport = :$port" | grep -q '"rootlessport",pid='
	[[ $(ss -Hltnp "sport = :$port") != *portshunt* ]]
	helper_exit
}

@test "podman 3's keys: a port, where the original opens none" {
	config '' "{\"hostPort\":$port,\"containerPort\":80,\"protocol\":\"tcp\",\"hostIP\":\"\"}"
	helper_go
	pages "$port"
}

@test "udp, and both protocols of one mapping" {
	config '' "$(mapping "$port" 7000 tcp,udp)"
	helper_go
	listening "$port"
	listening_udp "$port"
	peer_start server server udp-echo --control --netns "$ns" --port 7000
	peer_start clients client udp-hold --connections 3 127.0.0.1 "$port"
	peer_read clients
	[ "$line" = "holding 3" ]
}

# The forwarder gets 128 at a time.
@test "a range among single ports: each goes to its own port of the container" {
	local i mappings=()

	free_port 301
	for ((i = 0; i < 100; i++)); do
		mappings+=("$(mapping $((port + i)) 9)")
	done
	mappings+=("$(mapping $((port + 100)) 5000 tcp 200)" "$(mapping $((port + 300)) 80)")
	config '' "${mappings[@]}"
	for i in 5027 5028 5199; do
		httpd $i "$ns"
	done
	helper_go
	for i in 127 128 299 300; do
		page "http://127.0.0.1:$((port + i))/"
	done
}

@test "a thousand ports, as a range and one by one, with few descriptors to begin with" {
	local i mappings=()

	free_port 1000
	config '' "$(mapping "$port" 80 tcp 1000)"
	helper_go prlimit --nofile=64:4096
	page "http://127.0.0.1:$port/"
	[ "$(ss -Htln "sport >= :$port and sport < :$((port + 1000))" | wc -l)" = 1000 ]
	helper_exit
	for ((i = 0; i < 1000; i++)); do
		mappings+=("$(mapping $((port + i)) 80)")
	done
	config '' "${mappings[@]}"
	helper_go prlimit --nofile=64:4096
	page "http://127.0.0.1:$((port + 999))/"
	helper_exit
	helper_start "$ours" prlimit --nofile=256:256
	[ -z "$ready" ]
	helper_wait
	grep 'too many open files' "$dir/helper.out"
}
