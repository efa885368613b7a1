# SPDX-License-Identifier: Apache-2.0
# What the tests with real servers share: a server in a network namespace, published by one
# datapath after the other, under load tools on the host. The end-to-end tests' lib has the rest.

load ../e2e/lib

# Every load runs on each of them.
datapaths=(${DATAPATHS:-splice sockmap shunt auto})
[ "${BPF:-1}" != 0 ] || datapaths=(splice auto)

servers_setup() {
	e2e_setup
	declare -gA server_pid=()
	declare -gA server_signal=()
	netns_make
}

# servers_teardown - the servers end before their namespace does, so that they clean up.
servers_teardown() {
	local failed=0 name

	for name in "${!server_pid[@]}"; do
		server_stop "$name" || failed=1
	done
	e2e_teardown || failed=1
	return $failed
}

# need COMMAND... - skips where one is missing.
need() {
	local command

	for command; do
		command -v "$command" >/dev/null || skip "$command is not installed"
	done
}

# ---- servers --------------------------------------------------------------------------

# server_start NAME SIGNAL PORT COMMAND... - runs it in the foreground in $ns until it listens;
# SIGNAL is what ends it in good order. Its output is in $dir/NAME.out.
server_start() {
	local name=$1 signal=$2 listens=$3

	shift 3
	(
		children_close_fds
		exec nsenter --net="$ns" "$@" >"$dir/$name.out" 2>&1 </dev/null
	) &
	server_pid[$name]=$!
	server_signal[$name]=$signal
	eventually 20 listening "$listens" "$ns" && return
	echo "$name does not listen on port $listens:"
	cat "$dir/$name.out"
	return 1
}

# server_stop NAME - fails when it does not end by its signal, with status 0.
server_stop() {
	local name=$1 pid=${server_pid[$1]} status=0

	unset "server_pid[$name]"
	kill "-${server_signal[$name]}" "$pid" 2>/dev/null || true
	if ! eventually 20 pid_ended "$pid"; then
		echo "$name does not end"
		kill -KILL "$pid"
	fi
	wait "$pid" || status=$?
	[ $status = 0 ] && return
	echo "$name ended with $status:"
	tail -20 "$dir/$name.out"
	return 1
}

# log_is_clean FILE PATTERN - no line of a server's log matches.
log_is_clean() {
	! grep -E "$2" "$1"
}

# ---- publishing -----------------------------------------------------------------------

# on_each_datapath PORTS FUNCTION [ARG...] - runs it once per datapath with the container
# ports published, and $datapath set. Not after || or in a condition: set -e would be off.
on_each_datapath() {
	local ports=($1) publish=() p

	shift
	for p in "${ports[@]}"; do
		publish+=(-p "$p")
	done
	for datapath in "${datapaths[@]}"; do
		echo "on $datapath: $*"
		portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --datapath "$datapath" \
			"${publish[@]}"
		"$@"
		portshunt_stop
		[ "$status" = 0 ]
		! grep -w error "$dir/portshunt.err" || return 1
	done
}

# fionread_is_wrong - portshunt found at its start that the kernel has that fault, and said so.
fionread_is_wrong() {
	grep -q 'warning: .*FIONREAD' "$dir/portshunt.err"
}

# remark TEXT... - for whoever runs it with V=1.
remark() {
	echo "# $datapath: $*" >&3
}

# container_lo - bytes that the loopback interface of $ns has carried.
container_lo() {
	nsenter --net="$ns" awk '$1 == "lo:" { print $2 }' /proc/net/dev
}

# went_direct BEFORE BYTES - fails when, on the shunt, more than half of the BYTES that the
# server sent took the container's loopback. BEFORE is what container_lo said before.
went_direct() {
	local took=$(($(container_lo) - $1))

	remark "$((took / 1000)) of $(($2 / 1000)) kB took the container's loopback"
	[ "$datapath" != shunt ] || [ $((took * 2)) -lt "$2" ]
}

# ---- load tools: each prints its report, and fails when it has an error in it ------------

# wrk_load ARG... - no socket error and no answer but 2xx and 3xx.
wrk_load() {
	timeout 60 wrk --timeout 10s "$@" >"$dir/wrk.txt" 2>&1
	cat "$dir/wrk.txt"
	grep -qE '^ *[1-9][0-9]* requests in' "$dir/wrk.txt" || return 1
	! grep -E 'Socket errors|Non-2xx|unable|error' "$dir/wrk.txt" || return 1
	remark "wrk${*:+ ${*:1:$#-1}}:$(grep ' requests in' "$dir/wrk.txt")"
}

# ab_load N ARG... - N requests, none failed.
ab_load() {
	local n=$1

	shift
	timeout 60 ab -q -n "$n" "$@" >"$dir/ab.txt" 2>&1 || { cat "$dir/ab.txt"; return 1; }
	cat "$dir/ab.txt"
	grep -qE "^Complete requests: +$n$" "$dir/ab.txt" || return 1
	grep -qE '^Failed requests: +0$' "$dir/ab.txt" || return 1
	! grep -E 'Non-2xx|Write errors|apr_' "$dir/ab.txt" || return 1
	remark "ab ${*:1:$#-1}: $(grep '^Complete' "$dir/ab.txt" | tr -s ' ')"
}
