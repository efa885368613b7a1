#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs tests under several kernels, as many guests at once as JOBS says, and prints what each has
# to say when it ends; at the end a line for each kernel with the datapath that `auto` takes
# there, and the sum. A kernel that cannot be fetched has failed.
#
# all.sh TEST...	the tests' paths, as for prove
#
#	KERNELS		see fetch.sh, "6.1 6.12 newest" without; with KERNEL_DEB its kernel alone
#	PARTLY		those of KERNELS on which the long suites are left out, half of the time
set -uo pipefail
cd "$(dirname "$0")/../.."

KERNELS=${KERNELS:-6.1 6.12 newest}
[ -z "${KERNEL_DEB:-}" ] || KERNELS=given
logs=${O:-build}/kernels
mkdir -p "$logs"
passed=0 failed=0 result=0 summary=()
declare -A running=()

# count KERNEL STATUS - adds what its log says to the sums, and a line to the summary.
count() {
	local log=$logs/$1.log good bad says

	read -r good bad < <(tests/tools/tally.sh "$log" "$2")
	passed=$((passed + good)) failed=$((failed + bad))
	says=$(grep -m 1 '^Linux .*: auto ' "$log") || says=$(tail -n 1 "$log")
	summary+=("kernel $1: $says; $good passed, $bad failed")
}

# tests_on KERNEL - those that are run there, one a line.
tests_on() {
	local test

	for test in "${tests[@]}"; do
		case " ${PARTLY:-} |$test" in
		*" $1 "*\|tests/kernels/tcp_*.sh | *" $1 "*\|tests/e2e/sockmap_ends.bats) ;;
		*) echo "$test" ;;
		esac
	done
}

# start KERNEL
start() {
	local here

	mapfile -t here < <(tests_on "$1")
	echo "  TEST under kernel $1: $logs/$1.log"
	KERNEL=$1 tests/kernels/run.sh "${here[@]}" >"$logs/$1.log" 2>&1 &
	running[$!]=$1
}

# ended - waits until a guest ends, and prints its log.
ended() {
	local pid kernel status=0

	wait -n -p pid "${!running[@]}" || status=$?
	kernel=${running[$pid]}
	unset "running[$pid]"
	echo "--- kernel $kernel"
	cat "$logs/$kernel.log"
	count "$kernel" $status
	[ $status = 0 ] || result=1
}

tests=("$@") fetched=()
for kernel in $KERNELS; do
	if tests/kernels/fetch.sh "$kernel" 2>&1 >/dev/null | tee "$logs/$kernel.log"; then
		fetched+=("$kernel")
	else
		summary+=("$(tail -n 1 "$logs/$kernel.log")")
		failed=$((failed + 1)) result=1
	fi
done
for kernel in "${fetched[@]}"; do
	[ ${#running[@]} -lt "${JOBS:-2}" ] || ended
	start "$kernel"
done
while [ ${#running[@]} -gt 0 ]; do
	ended
done
printf '%s\n' "${summary[@]}" "$passed passed, $failed failed"
exit $result
