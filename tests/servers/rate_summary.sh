#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The last word of `make check-servers`: which groups of servers were not measured, and why. A
# run in which none was measured has failed. Prints TAP.
#
#	GROUPS_WANTED	the groups that the run has asked for
set -euo pipefail
cd "$(dirname "$0")/../.."

results=${O:-build}/servers
measured=() missing=()
for group in ${GROUPS_WANTED:?names of groups}; do
	if [ -s "$results/$group.tsv" ]; then
		measured+=("$group")
	else
		missing+=("$group")
	fi
done

echo "1..$((1 + ${#missing[@]}))"
if [ ${#measured[@]} -gt 0 ]; then
	echo "ok 1 - measured: ${measured[*]}"
else
	echo "not ok 1 - no group of servers was measured"
fi
n=1
for group in "${missing[@]}"; do
	n=$((n + 1))
	why=$(cat "$results/$group.skipped" 2>/dev/null || echo "it has failed to start")
	echo "ok $n - $group # SKIP not measured: $why"
	echo "not measured: $group: $why" >&2
done
[ ${#measured[@]} -gt 0 ]
