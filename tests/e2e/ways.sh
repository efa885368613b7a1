# SPDX-License-Identifier: Apache-2.0
# Every way to send, by time: what plain TCP and splice carry without a pause, the shunt must as
# well. tests/tools/ways.pl says how it is judged, and what MATRIX and ONLY are.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/e2e/lib.bash

skip() {
	echo "1..0 # SKIP $1"
	exit
}

# attach DATAPATH - sets $port; its control socket is $dir/DATAPATH
attach() {
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --datapath "$1" -p 7000 \
		--control "$dir/$1" && published 7000
}

# hurry NICE - what else the machine has to do must not look like a pause. Where sessions share
# the CPUs (sched(7), autogroup), the niceness of one that counts is its session's.
hurry() {
	renice -n "$1" $$ >/dev/null 2>&1
	echo "$1" 2>/dev/null >/proc/self/autogroup
} 2>/dev/null

finish() {
	hurry 0
	[ -z "$portshunt_pid" ] || portshunt_stop || failed=1
	portshunt_pid=${splice_pid:-}
	e2e_teardown || failed=1
	e2e_teardown_file
	exit "$failed"
}

BATS_TEST_NUMBER=1 failed=0
need_root
[ "${BPF:-1}" != 0 ] || skip "built without BPF"
WAYS_TOOL=$(realpath "${WAYS_TOOL:-build/tests/ways}")
e2e_setup_file
e2e_setup
hurry -15
trap finish EXIT
netns_make
attach splice || exit
splice_port=$port splice_pid=$portshunt_pid
attach shunt || exit
perl tests/tools/ways.pl "$WAYS_TOOL" "$ns" 7000 "$splice_port" "$port" \
	"$PORTSHUNT stats --control $dir/shunt --json" || failed=1
