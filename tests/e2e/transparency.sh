# SPDX-License-Identifier: Apache-2.0
# What two applications see of a connection is the same natively and through portshunt, on each
# datapath: each case of tests/tools/twin, recorded and compared.
#
#	ONLY="send|recv until data"	these cases only
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
ways=(splice)
[ "${BPF:-1}" = 0 ] || ways+=(sockmap shunt shunt_turned shunt_lowat)

# What twin is told of each way.
declare -A options=(
	[splice]=""
	[sockmap]=""
	[shunt]="--shunt --mode=nonblocking,blocking,evicted"
	[shunt_turned]="--shunt --mode=turned --patience=1000"
	[shunt_lowat]="--shunt --mode=nonblocking"
	[shunt_memory]="--shunt --mode=nonblocking --jobs=1 --theme=readiness"
)

# Differences that are known, as "way: case, mode", and why.
known=(
	"shunt_turned: *" "recv(2) that is woken without data says EAGAIN, until the first send"
	"shunt*: send from a bad address, nonblocking" "tcp_bpf_sendmsg() says 0, not EFAULT"
	"shunt*: recv of nothing, nonblocking" "tcp_bpf_recvmsg() says 0, not EAGAIN"
	"shunt*: MSG_ZEROCOPY, set late, nonblocking" "the first send is completed twice"
	"shunt*: write on after close, *" "one send may pass after the error, until it is handed on"
	"shunt*: kTLS, @(on the wire|both ends), nonblocking" "the kernel refuses kTLS on a captured socket: EINVAL"
)

skip() {
	echo "1..0 # SKIP $1"
	exit
}

# attach DATAPATH - with one published port for each case at a time.
attach() {
	portshunt_start attach --netns "$inside" --datapath "$1" \
		-p 8000-$((7999 + JOBS)):7000-$((6999 + JOBS)) --child-ip 127.0.0.1 --child-ip ::1
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

# The host says that little may wait unsent; the forwarder's sockets must not care.
way_shunt_lowat() {
	in_host sysctl -q net.ipv4.tcp_notsent_lowat=16384
	attach shunt
}

# What waits in the forwarder's sockets is charged to it, and it may have little: for all of
# them by version 1 of cgroups, as much more than at its start by version 2.
way_shunt_memory() {
	local own=("${wrap[@]}") r=0

	wrap=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$limited" "${wrap[@]}")
	attach shunt || r=1
	wrap=("${own[@]}")
	[ ! -e "$limited/memory.max" ] ||
		echo $(($(<"$limited/memory.current") + memory)) >"$limited/memory.max"
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

in_host() {
	nsenter --net="$outside" "$@"
}

# record DIR OPTION... - runs all cases, with PATIENCE unless an OPTION says how much.
record() {
	local out=$1

	shift
	mkdir "$out"
	in_host "$TWIN" --netns "$inside" --out "$out" --port 7000 --host-port 8000 --jobs "$JOBS" \
		--families "$families" --patience $((5000 * ${PATIENCE:-1})) "${only[@]}" "$@"
}

# reason_of "WAY: CASE, MODE" - sets $reason when the difference is known.
reason_of() {
	local i

	reason=
	for ((i = 0; i < ${#known[@]}; i += 2)); do
		[[ $1 != ${known[i]} ]] || reason=${known[i + 1]}
	done
}

# compare_case WAY CASE MODE - one line of TAP for both roles and all families.
compare_case() {
	local name="$1: $2, $3" file different=()

	n=$((n + 1))
	for file in "$records/native/$2.$3".*; do
		cmp -s "$file" "$records/$1/${file##*/}" || different+=("${file##*/}")
	done
	reason_of "$name"
	[ ! -e "$file" ] || [ ${#different[@]} != 0 ] || {
		echo "ok $n - $name"
		return
	}
	echo "not ok $n - $name${reason:+ # TODO $reason}"
	[ -n "$reason" ] || failed=1
	for file in "${different[@]}"; do
		echo "# $file: natively (-) and through portshunt (+):"
		diff -N -U 20 "$records/native/$file" "$records/$1/$file" | sed '1,3d; s/^/#  /'
	done
}

run_way() {
	local way=$1

	in_host sysctl -q net.ipv4.tcp_notsent_lowat=4294967295
	if "way_$way" >"$dir/said" 2>&1; then
		# it warns where the kernel has the fault that tests/bpf/ and doctor look for
		! grep -q FIONREAD "$dir/portshunt.err" ||
			known+=("$way: FIONREAD, nonblocking" "this kernel's FIONREAD, as it warned")
		record "$records/$way" ${options[$way]}
		portshunt_stop || failed=1
	else
		sed 's/^/# /' "$dir/said"
		mkdir -p "$records/$way"
	fi
	while IFS=$'\t' read -r name mode; do
		compare_case "$way" "$name" "$mode"
	done < <(cases_of "$way")
}

# cases_of WAY - lines "case<TAB>mode".
cases_of() {
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
[ "${BPF:-1}" = 0 ] || ! limited_make || ways+=(shunt_memory)
[ -z "${WAYS:-}" ] || ways=($WAYS)
families=4
! has_ipv6 || families=46m
records=${KEEP:-$dir/records}
mkdir -p "$records"

only=()
IFS='|' read -ra names <<<"${ONLY:-}"
for name in "${names[@]}"; do
	only+=(--only "$name")
done
echo "1..$(for way in "${ways[@]}"; do cases_of "$way"; done | wc -l)"
record "$records/native" --native
for way in "${ways[@]}"; do
	run_way "$way"
done
