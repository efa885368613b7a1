# SPDX-License-Identifier: Apache-2.0
# Where the forwarder may connect to: the container's TCP ports, where none can be added later.
# What that means to a process is in the unit tests; here is who does it, and for how many ports.

load lib
load rootlessport_lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
setup() {
	rootlessport_setup
	socket=$dir/control
	need_root
	[ -z "${SAN:-}" ] || skip "sanitized: LeakSanitizer does not work while it is traced"
	perl -e 'exit((syscall(444, 0, 0, 1) // -1) < 4)' || skip "this kernel has no Landlock for ports"
	# strace is nobody's parent, so that signals reach portshunt
	wrap=(strace -D -f -o "$dir/trace" -e trace=landlock_add_rule,landlock_restrict_self -e signal=none)
	: >"$dir/trace"
}
teardown() { rootlessport_teardown; }
teardown_file() { e2e_teardown_file; }

# bounds_are PORTS TIMES - so many ports the forwarder was bound to, and so often a process gave
# something up: netns child, forwarder and ICMP child, each once, and the forwarder once more
# where it is bound to ports
bounds_are() {
	local found

	found="$(grep -c '^[0-9]* *landlock_add_rule(.* = 0$' "$dir/trace" || true)"
	found+=" $(grep -c '^[0-9]* *landlock_restrict_self(.* = 0$' "$dir/trace" || true)"
	[ "$found" = "$*" ] || { cat "$dir/trace"; return 1; }
}

# is_served - a connection to 7000 works
is_served() {
	published 7000
	peer_start server server echo --netns "$ns" --port 7000
	run "$PEER" client echo --bytes 1k 127.0.0.1 "$port"
	echo "$output"
	[ "$status" = 0 ]
	peer_kill server
}

@test "attach without a control socket connects to the ports of its rules alone, with one to any" {
	netns_make
	options=(attach --netns "$ns" --datapath splice --child-ip 127.0.0.1 -p 7000 -p 7001-7002 -p 7002 -p 7003/udp)
	portshunt_start "${options[@]}"
	strace=("${wrap[@]}") wrap=()
	eventually 10 bounds_are 3 4
	is_served
	portshunt_stop
	: >"$dir/trace"
	wrap=("${strace[@]}")
	portshunt_start "${options[@]}" --control "$socket"
	wrap=()
	eventually 10 bounds_are 0 3
	is_served
}

@test "rules that were taken over are bounded as well" {
	netns_make
	strace=("${wrap[@]}") wrap=()
	portshunt_start attach --netns "$ns" --datapath splice --child-ip 127.0.0.1 -p 7000 -p 7001 --control "$socket"
	published 7000
	old=$portshunt_pid
	wrap=("${strace[@]}")
	portshunt_start attach --netns "$ns" --datapath splice --child-ip 127.0.0.1 -p 7002 --take-over "$socket"
	wrap=()
	eventually 10 bounds_are 3 4
	eventually 10 pid_ended "$old"
	peer_start server server echo --netns "$ns" --port 7000
	run "$PEER" client echo --bytes 1k 127.0.0.1 "$port"
	[ "$status" = 0 ]
}

@test "rootlessport connects to the ports of its mappings alone" {
	free_port 3
	netns_make
	config "" "$(mapping "$port" 7000 tcp 3)"
	PORTSHUNT_DATAPATH=splice helper_go "${wrap[@]}"
	wrap=()
	eventually 10 bounds_are 3 3
	peer_start server server echo --netns "$ns" --port 7002
	run "$PEER" client echo --bytes 1k 127.0.0.1 "$((port + 2))"
	[ "$status" = 0 ]
	helper_exit
	[ "$status" = 0 ]
}
