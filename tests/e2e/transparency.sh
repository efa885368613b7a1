# SPDX-License-Identifier: Apache-2.0
# What two applications see of a connection is the same natively and through portshunt, on each
# datapath: each case of tests/tools/twin, recorded and compared.
#
#	ONLY="send|recv until data"	these cases only; for sockmap one at least that warms up
#	WAYS="splice shunt"		these ways only
#	MEMORY=BYTES			what the forwarder's sockets may hold in shunt_memory
#	KEEP=DIR			the records stay there
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/e2e/lib.bash

JOBS=4
memory=${MEMORY:-$((3 << 20))}
TWIN=$(realpath "${TWIN:-build/tests/twin}")

# Each way is a function that starts portshunt, after the name of its datapath; there are more
# of one when it has to hold in other surroundings, as to what may change there.
ways=(splice splice_lowat)
[ "${BPF:-1}" = 0 ] || ways+=(sockmap shunt shunt_turned shunt_lowat sockmap_lowat shunt_memory)

# Messages of 13 bytes are a segment each, of which a worker of the kernel relays a million in
# `sendmmsg`: some 100 000 a second.
slow=$((20000 * ${PATIENCE:-1}))

# What twin is told of each way.
declare -A options=(
	[splice]=""
	[sockmap]="--patience=$slow"
	[shunt]="--shunt --mode=nonblocking,blocking,evicted"
	[shunt_turned]="--shunt --mode=turned --patience=1000"
	[shunt_lowat]="--shunt --mode=nonblocking"
	[splice_lowat]="--mode=nonblocking,blocking --theme=sending,readiness"
	[sockmap_lowat]="--patience=$slow --mode=nonblocking,blocking --theme=sending,readiness"
	[shunt_memory]="--shunt --mode=nonblocking --jobs=1 --theme=readiness"
	[auto]="--shunt --mode=nonblocking,blocking"
)

# Differences that are known: "way: case, mode", why, and all lines that differ, in their order.
# Patterns, both.
turned="recv(2) that is woken without data says EAGAIN, until the first send"
known=(
	"@(shunt*|auto): send from a bad address, @(nonblocking|turned)" "tcp_bpf_sendmsg() says 0, not EFAULT"
	"-subject: send from nowhere: EFAULT|+subject: send from nowhere: 0"

	"@(shunt*|auto): recv of nothing, @(nonblocking|turned)" "tcp_bpf_recvmsg() says 0, not EAGAIN"
	"-subject: recv of nothing: EAGAIN|+subject: recv of nothing: 0"

	# how many sends there are depends on the room in the buffer; one or two more are completed
	"@(shunt*|auto): MSG_ZEROCOPY, set late, @(nonblocking|turned)" "the first send is completed twice"
	"+subject: @(1 sends, [23]|2 sends, [34]|3 sends, [45]|4 sends, [56]|5 sends, [67]) completed"

	"@(shunt*|auto): kTLS, on the wire, @(nonblocking|turned)" "the kernel refuses kTLS on a captured socket"
	"-subject: kTLS: 1|+subject: kTLS: EINVAL|-partner: received: 6400|+partner: received: 0|-partner: a TLS record: yes|+partner: a TLS record: no"

	"@(shunt*|auto): kTLS, both ends, @(nonblocking|turned)" "the kernel refuses kTLS on a captured socket"
	"-subject: kTLS: 1|+subject: kTLS: EINVAL|-partner: kTLS: 1|-partner: received: 3500|-partner: plain text: yes|+partner: kTLS: EINVAL"

	"shunt_turned: reset of a waiting writer, turned" "tcp_bpf_sendmsg() tells what has left, and drops the error"
	"-subject: put: ECONNRESET|+subject: put: EPIPE"

	# the other calls that wait go on after it
	"shunt_turned: recv, signal, turned" "$turned"
	"-subject: recv: EINTR|+subject: recv: EAGAIN"
)

# What is known where portshunt has warned of it: see tests/bpf/ and doctor.
fionread="-subject: FIONREAD: 5|-subject: FIONREAD: 10|+subject: FIONREAD: 0|+subject: FIONREAD: 0|\
-subject: FIONREAD: 7|-subject: FIONREAD: 17|+subject: FIONREAD: 0|+subject: FIONREAD: 0"

skip() {
	echo "1..0 # SKIP $1"
	exit
}

# attach DATAPATH - with one published port for each case at a time.
attach() {
	portshunt_start attach --netns "$inside" --datapath "$1" \
		-p 8000-$((7999 + JOBS)):7000-$((6999 + JOBS)) --child-ip 127.0.0.1 --child-ip ::1 \
		--control "$dir/control"
}

way_splice() {
	attach splice
}

way_sockmap() {
	attach sockmap
}

way_shunt() {
	attach shunt
}

way_shunt_turned() {
	attach shunt
}

# lowat - the host says that little may wait unsent; the forwarder's sockets must not care.
lowat() {
	in_host sysctl -q net.ipv4.tcp_notsent_lowat=16384
}

way_shunt_lowat() {
	lowat
	attach shunt
}

way_splice_lowat() {
	lowat
	attach splice
}

way_sockmap_lowat() {
	lowat
	attach sockmap
}

# For kernels on which that is the shunt.
way_auto() {
	attach auto
}

# What waits in the forwarder's sockets is charged to it, and it may have little: for all of
# them by version 1 of cgroups, and by version 2 three times as much more than at its start, since
# its pipes and its own memory are in there, too. With as much as by version 1 the kernel kills
# it for want of memory on splice as well, where a sender that writes much at once ends up.
way_shunt_memory() {
	local own=("${wrap[@]}") r=0

	wrap=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$limited" "${wrap[@]}")
	attach shunt || r=1
	wrap=("${own[@]}")
	[ ! -e "$limited/memory.max" ] ||
		echo $(($(<"$limited/memory.current") + 3 * memory)) >"$limited/memory.max"
	return $r
}

# limited_make - sets $limited to a cgroup whose sockets may hold little memory. Fails where
# there is none to be had.
limited_make() {
	limited=/sys/fs/cgroup/memory/pstest-$$
	mkdir "$limited" 2>/dev/null &&
		echo "$memory" >"$limited/memory.kmem.tcp.limit_in_bytes" && return
	limited_remove
	limited=/sys/fs/cgroup/pstest-$$
	mkdir "$limited" 2>/dev/null && [ -e "$limited/memory.max" ] && return
	limited_remove
	return 1
}

limited_remove() {
	[ ! -d "${limited:-}" ] || eventually 3 rmdir "$limited" 2>/dev/null
}

# fast_open - whoever asks for it sends data with the SYN, and gets it, without a cookie.
fast_open() {
	local ns

	for ns in "$outside" "$inside"; do
		nsenter --net="$ns" sysctl -q net.ipv4.tcp_fastopen=$((0x1 | 0x2 | 0x4 | 0x200 | 0x400)) \
			net.ipv4.tcp_fastopen_blackhole_timeout_sec=0
	done
}

in_host() {
	nsenter --net="$outside" "$@"
}

# record DIR OPTION... - runs all cases, with PATIENCE unless an OPTION says how much.
record() {
	local out=$1 began=$SECONDS

	shift
	mkdir "$out"
	in_host "$TWIN" --netns "$inside" --out "$out" --port 7000 --host-port 8000 --jobs "$JOBS" \
		--families "$families" --patience $((5000 * ${PATIENCE:-1})) "${only[@]}" "$@"
	echo "# ${out##*/}: $((SECONDS - began)) s"
}

# difference WAY FILE - the lines that differ in a record, with | in between. That a receiver
# was told EAGAIN, and went on, may happen at any time to a captured socket that has turned.
difference() {
	diff -N -U 0 "$records/native/$2" \
		<(grep -vE '^(subject|partner): recv: EAGAIN, although it blocks$' "$records/$1/$2" 2>/dev/null) |
		sed '1,2d; /^@@/d' | paste -sd '|'
}

# reason_of "WAY: CASE, MODE" DIFFERENCE - sets $reason when it is known, to the letter.
reason_of() {
	local i

	reason=
	[[ -n $2 || $1 != shunt_turned:* ]] || reason=$turned
	for ((i = 0; i < ${#known[@]}; i += 3)); do
		[[ $1 != ${known[i]} || $2 != ${known[i + 2]} ]] || reason=${known[i + 1]}
	done
}

# compare_case WAY CASE MODE - one line of TAP for both roles and all families.
compare_case() {
	local name="$1: $2, $3" file different=() excused=0 reason why=

	n=$((n + 1))
	for file in "$records/native/$2.$3".*; do
		cmp -s "$file" "$records/$1/${file##*/}" && continue
		different+=("${file##*/}")
		reason_of "$name" "$(difference "$1" "${file##*/}")"
		[ -z "$reason" ] || excused=$((excused + 1)) why=$reason
	done
	[ ! -e "$file" ] || [ ${#different[@]} != 0 ] || {
		echo "ok $n - $name"
		return
	}
	[ $excused != 0 ] && [ $excused = ${#different[@]} ] || why= failed=1
	echo "not ok $n - $name${why:+ # TODO $why}"
	for file in "${different[@]}"; do
		echo "# $file: natively (-) and through portshunt (+):"
		diff -N -U 20 "$records/native/$file" "$records/$1/$file" | sed '1,3d; s/^/#  /'
	done
}

# tap NAME OK - one line.
tap() {
	n=$((n + 1))
	[ "$2" = yes ] && echo "ok $n - $1" || { echo "not ok $n - $1"; failed=1; }
}

# count_relayed WAY - has the kernel relayed any bytes, both ways? Else all that was compared
# was splice. Of the shunt twin knows it by itself, of each end.
count_relayed() {
	local counts up= down=

	counts=$("$PORTSHUNT" stats --control "$dir/control" --json)
	counts=${counts##*'"total"'}
	[[ $counts =~ '"up_redirected": '*([0-9]+) ]] && up=${BASH_REMATCH[1]}
	[[ $counts =~ '"down_redirected": '*([0-9]+) ]] && down=${BASH_REMATCH[1]}
	tap "$1: the kernel has relayed bytes" \
		"$([ "${up:-0}" -gt 0 ] && [ "${down:-0}" -gt 0 ] && echo yes)"
	echo "# ${up:-none} up, ${down:-none} down"
}

run_way() {
	local way=$1

	if [ "$way" = no_memory ]; then
		n=$((n + 1))
		echo "ok $n - shunt_memory # SKIP no cgroup is to be had that limits memory"
		return
	fi
	in_host sysctl -q net.ipv4.tcp_notsent_lowat=4294967295
	if "way_$way" >"$dir/said" 2>&1; then
		! grep -q "warning: .*FIONREAD" "$dir/portshunt.err" ||
			known+=("$way: FIONREAD, @(nonblocking|turned)" "this kernel's FIONREAD, as it warned"
				"$fionread")
		record "$records/$way" ${options[$way]}
	else
		sed 's/^/# /' "$dir/said"
		mkdir -p "$records/$way"
	fi
	[[ $way != sockmap* ]] || count_relayed "$way"
	[ -z "$portshunt_pid" ] || portshunt_stop || failed=1
	while IFS=$'\t' read -r name mode; do
		compare_case "$way" "$name" "$mode"
	done < <(cases_of "$way")
}

# cases_of WAY - lines "case<TAB>mode".
cases_of() {
	[ "$1" != no_memory ] || return
	"$TWIN" --list "${only[@]}" ${options[$1]}
}

finish() {
	e2e_teardown || failed=1
	limited_remove || failed=1
	e2e_teardown_file
	exit "$failed"
}

n=0 failed=0 BATS_TEST_NUMBER=1
need_root
e2e_setup_file
e2e_setup
trap finish EXIT
netns_make host
outside=$ns
netns_make container
inside=$ns
wrap=(nsenter --net="$outside")
fast_open
[ -z "${WAYS:-}" ] || ways=($WAYS)
[[ " ${ways[*]} " != *" shunt_memory "* ]] || limited_make || ways=("${ways[@]/shunt_memory/no_memory}")
families=4
! has_ipv6 || families=46m
records=${KEEP:-$dir/records}
mkdir -p "$records"

only=()
IFS='|' read -ra names <<<"${ONLY:-}"
for name in "${names[@]}"; do
	only+=(--only "$name")
done
for i in "${!ways[@]}"; do
	[ "${ways[i]}" = no_memory ] || [ -n "$(cases_of "${ways[i]}")" ] || unset "ways[i]"
done
echo "1..$(for way in "${ways[@]}"; do
	cases_of "$way"
	[[ $way != @(sockmap*|no_memory) ]] || echo another
done | wc -l)"
record "$records/native" --native
for way in "${ways[@]}"; do
	run_way "$way"
done
