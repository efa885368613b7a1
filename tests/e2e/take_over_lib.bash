# SPDX-License-Identifier: Apache-2.0
# What the tests of --take-over share, on top of lib.bash, run_lib.bash and control_lib.bash.
#
#	$options	of `portshunt attach`, the same for the old one and the new one
#	$old		the pid of the one that was taken over from

# first_start [OPTION...] - the one that will be taken over from
first_start() {
	options=(--netns "$ns" --child-ip 127.0.0.1 --control "$socket" "$@")
	portshunt_start attach "${options[@]}"
}

# take_over [OPTION...] - another one with the same options takes over from the one that runs.
# Where an OPTION is --control, that is its own. What the old one said is in $dir/old.err.
take_over() {
	old=$portshunt_pid
	mv "$dir/portshunt.err" "$dir/old.err"
	portshunt_start attach "${options[@]}" --take-over "$socket" "$@" && return
	ends_with_test+=("$old")
	return 1
}

# refused_start TEXT [OPTION...] - the new one does not start, with 125 and one line with TEXT
refused_start() {
	local text=$1 out status=0

	shift
	out=$("$PORTSHUNT" attach "${options[@]}" --take-over "$socket" "$@" 2>&1 |
		grep -v ' -> \|: datapath \|address is') || true
	[[ $out == *"$text"* && $(wc -l <<<"$out") = 1 ]] && return
	echo "said: $out"
	echo "expected: $text"
	return 1
}

# ended PID [SECONDS] - that portshunt does, with status 0
ended() {
	local status=0

	eventually "${2:-10}" pid_ended "$1" || { echo "process $1 does not end"; return 1; }
	wait "$1" || status=$?
	[ $status = 0 ] || { echo "process $1 ended with $status"; return 1; }
}

# connects_start PORT - 1000 connects a second, each with a request and an answer, until
# connects_end; the server is at port 7001 of $ns
connects_start() {
	local load=(crr --flows 8 --rate 1000 --request 300 --response 300 --seconds 0.5)

	peer_start bench server bench --control --netns "$ns" --port 7001
	(
		children_close_fds
		while [ ! -e "$dir/connects.stop" ]; do
			"$PEER" client "${load[@]}" 127.0.0.1 "$1" >>"$dir/connects" || break
		done
	) &
	connecting=$!
	eventually 30 test -s "$dir/connects"
}

# connects_end - all were answered, not one failed; sets $connects to how many there were
connects_end() {
	: >"$dir/connects.stop"
	wait $connecting
	peer_kill bench
	connects=$(grep -o ' count=[0-9]*' "$dir/connects" | awk -F= '{ n += $2 } END { print n }')
	! grep -v ' errors=0 ' "$dir/connects" && return
	return 1
}

# long_streams_start PORT - four connections each way, which stop in the middle until
# long_streams_end; the server is at port 7002 of $ns
long_streams_start() {
	local plan=(bulk --connections 4 --bytes 8m --stop-after 1m --control)

	peer_start long-server server "${plan[@]}" --netns "$ns" --port 7002
	peer_start long-client client "${plan[@]}" 127.0.0.1 "$1"
}

long_streams_end() {
	peer_tell long-client resume
	peer_tell long-server resume
	peer_wait long-client
	[ "$status" = 0 ] || { echo "$output"; return 1; }
	peer_wait long-server
	[ "$status" = 0 ] || { echo "$output"; return 1; }
}
