# SPDX-License-Identifier: Apache-2.0
# What listens at a control socket in the place of a portshunt, `peer giver`, and who takes over
# from it; on top of lib.bash, run_lib.bash and control_lib.bash.
#
#	$options	of `portshunt attach`

# giver_start [OPTION...] - listens at $socket and answers by what it is told
giver_start() {
	peer_start giver server giver --socket "$socket" "$@"
}

# giver_end - sets $output to the requests that it got and nobody has read
giver_end() {
	peer_stdin_eof giver
	peer_wait giver
	rm -f "$socket"
}

# taker_runs [OPTION...] - takes over from the giver; sets $taker, what it says is in $dir/taker
taker_runs() {
	(
		children_close_fds
		# of a shell's background job SIGINT is ignored
		exec env --default-signal=INT "$PORTSHUNT" attach "${options[@]}" \
			--take-over "$socket" --log-level warn "$@" >"$dir/taker" 2>&1
	) &
	taker=$!
	ends_with_test+=("$taker")
}

# taker_ends SECONDS - sets $status and $took
taker_ends() {
	local from=${EPOCHREALTIME/./}

	eventually "$1" pid_ended "$taker" || { echo "it does not end"; return 1; }
	status=0
	wait "$taker" || status=$?
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

# taker_failed TEXT - with one line
taker_failed() {
	[[ $status = 125 && $(wc -l <"$dir/taker") = 1 && $(<"$dir/taker") == *"$1"* ]] && return
	echo "status $status, and:"
	cat "$dir/taker"
	return 1
}

# state_of RULES [LAST_ID] - as an old one would reply, of $ns
state_of() {
	printf '{"return":{"version":1,"last_id":%s,"netns":"%x:%x","rules":[%s]}}' \
		"${2:-9}" $(stat -L -c '%d %i' "$ns") "$1"
}
