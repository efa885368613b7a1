# SPDX-License-Identifier: Apache-2.0
# What there is of ours in the kernel: which BPF programs are new since the test began, what our
# processes hold, and that it goes.

# programs_note PREFIX - from here on, programs whose name begins so are new.
programs_note() {
	programs_prefix=$1
	programs_before=$(programs)
}

# programs - the ids of those in the kernel, ours and anybody's
programs() {
	bpftool prog show | sed -n "s/^\([0-9]*\): .* name ${programs_prefix}.*/\1/p" | sort
}

# Those that were there before do not count: the kernel may be late to free what an earlier
# test left.
new_in_kernel() {
	comm -13 <(echo "$programs_before") <(programs)
}

nothing_new_in_kernel() {
	[ -z "$(new_in_kernel)" ]
}

# gone_from_kernel - within a second
gone_from_kernel() {
	eventually 1 nothing_new_in_kernel || { bpftool prog show; return 1; }
}

# bpf_objects - words "map ID", "prog ID" and "link ID" for those that our processes hold.
bpf_objects() {
	local pid

	for pid in $(our_pids); do
		sed -nE 's/^(map|prog|link)_id:[[:space:]]*/\1 /p' "/proc/$pid/fdinfo/"* 2>/dev/null
	done | sort -u
}

# objects_gone KIND ID... - as bpf_objects has them: none of them is left.
objects_gone() {
	while [ $# -gt 0 ]; do
		! bpftool "$1" show id "$2" >/dev/null 2>&1 || return 1
		shift 2
	done
}

# forwarder_killed - SIGKILL of it, and all that follows: what there was in the kernel goes within a
# second, and portshunt ends and says that it failed
forwarder_killed() {
	local objects

	objects=$(bpf_objects)
	[[ $objects == *map\ * && $objects == *prog\ * ]]
	kill -KILL "$(pid_of @forwarder)"
	eventually 1 objects_gone $objects || {
		echo "of" $objects "something is left"
		return 1
	}
	gone_from_kernel
	eventually 5 pid_ended "$portshunt_pid"
	status=0
	wait "$portshunt_pid" || status=$?
	[ "$status" = 125 ]
	portshunt_pid=
}

# walker_of KIND - the pid of the process that it has for walks over all sockets
walker_of() {
	pgrep -P "$(pid_of "$1")"
}

# carried WAY - bytes of all connections that way, "up" or "down", redirected ones alone for
# "up_redirected", "down_redirected"
carried() {
	"$PORTSHUNT" stats --control "$dir/control" --json | sed 's/"rules".*//' |
		grep -oE "\"$1(_relayed|_redirected)?\":[0-9]*" | awk -F: '{ n += $2 } END { print n + 0 }'
}

# under_way BYTES WAY... - so many have crossed each way
under_way() {
	local bytes=$1 way

	shift
	for way; do
		[ "$(carried "$way")" -ge "$bytes" ] || return 1
	done
}

# ended_as_others_do NAME COUNT - a peer whose COUNT connections went on when the forwarder was
# killed: it ends by itself, soon, and what its send(2) and recv(2) said is what a connection's end
# is anywhere
ended_as_others_do() {
	eventually 10 pid_ended "${peer_pid[$1]}"
	peer_wait "$1"
	echo "$1: $output"
	[ "$status" = 1 ]
	[ "$(grep -cE 'recv: (EOF|ECONNRESET)$' <<<"$output")" = "$2" ]
	[ "$(grep -cE 'send: (EPIPE|ECONNRESET)$' <<<"$output")" = "$2" ]
	[ -z "$(grep -E '(send|recv|wrong): ' <<<"$output" | grep -vE ': (EOF|ECONNRESET|EPIPE)$')" ]
}

# bulk_killed WAY... - the forwarder is killed once bulk has gone these ways, as carried() has them
bulk_killed() {
	attach_start --control "$dir/control"
	peer_start server server bulk --bytes 100g --connections 4 --epoll --netns "$ns" --port 7000
	peer_start client client bulk --bytes 100g --streams 4 --epoll 127.0.0.1 "$port"
	eventually 20 under_way 4000000 "$@"
	forwarder_killed
	ended_as_others_do client 4
	ended_as_others_do server 4
}
