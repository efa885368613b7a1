#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make bench`: portshunt and the programs it is compared with, side by side.
#
# Every way to a server in a network namespace gets a namespace, a server and a forwarder of
# its own. A load goes over one way after the other, round after round, so that what disturbs
# the machine disturbs all alike; a figure is the median of its ratios to the native one of
# the same round. What is not installed is skipped and named. Needs root.
#
# bench.sh [--json FILE], and in the environment (make bench BENCH_ROUNDS=3 ...):
#   BENCH_PEERS    the ways, see ways.sh; "portshunt:DATAPATH", "portshunt=PROGRAM" are ways too
#   BENCH_ONLY     only these loads, see loads.sh: names, or how they begin: "rr crr-16"
#   BENCH_ROUNDS   7        BENCH_SECONDS  1, of each load
#   BENCH_JSON     FILE     PORTSHUNT, PEER  the programs
# All of it takes 20 to 25 minutes; a first look, two:
#   make bench BENCH_ROUNDS=3 BENCH_SECONDS=0.3 BENCH_ONLY="bulk rr crr start" \
#       BENCH_PEERS="native portshunt rootlessport pasta"
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
portshunt=${PORTSHUNT:-$here/../../build/portshunt}
peer=${PEER:-$here/../../build/tests/peer}
rounds=${BENCH_ROUNDS:-7}
seconds=${BENCH_SECONDS:-1}
json=${BENCH_JSON:-}
dir='' ways=()

die() {
	echo "bench: $*" >&2
	exit 1
}

say() {
	echo "$*" >&2
}

. "$here/processes.sh"
. "$here/ways.sh"
. "$here/loads.sh"

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--json) json=${2:?--json: a file name is missing} && shift 2 ;;
		-h | --help) sed -n '3,/^set /s/^# \{0,1\}//p' "$0" && exit 0 ;;
		*) die "$1: no such option; see --help" ;;
		esac
	done
	[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "BENCH_ROUNDS: \"$rounds\" is no number of rounds"
	[[ $seconds =~ ^[0-9]*[.]?[0-9]+$ ]] || die "BENCH_SECONDS: \"$seconds\" is no number"
	[ "$(id -u)" = 0 ] || die "needs root: it makes network namespaces"
	[ -x "$peer" ] || die "$peer is not there: make bench builds it"
	command -v ip perl nsenter >/dev/null || die "iproute2, perl or util-linux is missing: make deps"
	[ -z "$json" ] || : >"$json" || die "--json $json: cannot write"
}

cleanup() {
	local status=$?

	trap '' INT TERM
	end "${!spawned[@]}"
	remove_namespaces
	remove_cgroups
	[ -z "$dir" ] || rm -rf "$dir"
	exit $status
}

# record LOAD ROUND WAY FIGURES - one measurement, for report.pl: KEY=VALUE... or "failed why".
record() {
	(IFS=$'\t' && printf '%s\n' "$*") >>"$dir/records"
}

skip() {
	say "skipped: $1: $2"
	(IFS=$'\t' && printf 'skipped\t%s\n' "$*") >>"$dir/head"
}

# The ways that are here and work, in ways; the others are named.
choose_ways() {
	local way

	for way in ${BENCH_PEERS:-$all_ways}; do
		if ! way_find "$way"; then
			skip "$way" "$why"
		elif ! way_up "$way"; then
			skip "$way" "does not work: $(complaint "$way")"
			instance_down "$way"
		else
			ways+=("$way")
			printf 'way\t%s\t%s\n' "$way" "$(way_version "$way")" >>"$dir/head"
		fi
	done
	[ ${#ways[@]} -gt 0 ] || die "no way is left to measure"
}

# minutes LOADS - a guess.
minutes() {
	local load each

	for load in $1; do
		case $(load_field "$load" 4) in
		@*) each=1.5 ;;
		*) each=$seconds ;;
		esac
		echo "$(load_rounds "$load") $each"
	done | awk -v ways=${#ways[@]} '{ s += $1 * ways * ($2 + 0.15) } END { printf "%.1f\n", s / 60 }'
}

# A mount namespace of its own, where /run/netns is empty: nobody else's namespaces are near,
# and the names of these go when the last process does, however it ends.
main() {
	local mounts

	mounts=$(readlink /proc/self/ns/mnt)
	if [ "${1:-}" != --inside ]; then
		parse_options "$@"
		loads_choose ${BENCH_ONLY:-} >/dev/null
		exec unshare --mount bash "$0" --inside "$mounts" "$@"
	fi
	[ "$2" != "$mounts" ] || die "unshare --mount made no mount namespace"
	shift 2
	parse_options "$@"
	mkdir -p /run/netns
	mount -t tmpfs -o mode=755 tmpfs /run/netns
	measure
}

measure() {
	local load round way chosen busy n=0

	read -r busy _ </proc/loadavg
	chosen=$(loads_choose ${BENCH_ONLY:-})
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	dir=$(mktemp -d)
	mkfifo "$dir/silence"
	exec {silence}<>"$dir/silence"
	ulimit -n "$(ulimit -Hn)"

	choose_ways
	say "this takes about $(minutes "$chosen") minutes"
	printf 'run\t%s\t%s\t%s\n' "$rounds" "$seconds" "$busy" >>"$dir/head"
	loads_head "$chosen" >>"$dir/head"
	for load in $chosen; do
		n=$((n + 1))
		say "[$n/$(wc -w <<<"$chosen")] $load"
		for ((round = 1; round <= $(load_rounds "$load"); round++)); do
			for way in "${ways[@]}"; do load_run "$load" "$round" "$way"; done
		done
	done
	perl "$here/report.pl" "$dir/head" "$dir/records" ${json:+"$json"}
}

main "$@"
