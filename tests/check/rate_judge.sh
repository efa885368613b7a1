#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What tests/servers/rate_judge.pl makes of figures: which pass, which fail, and which need more
# rounds. Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/../.."

n=0 failed=0

# rounds COUNT NATIVE SPLICE SHUNT AUTO - that many rounds of the same figures, each RATE,PAUSE.
rounds() {
	local round i names=(native splice shunt auto) rate pause

	for ((round = 1; round <= $1; round++)); do
		for i in 0 1 2 3; do
			IFS=, read -r rate pause <<<"${@:i+2:1}"
			echo "$round ${names[i]} $rate - ${pause:--}"
		done
	done
}

# verdict EXPECTED NAME KEY=VALUE... - of the records on stdin; EXPECTED is a pattern. 3 rounds are
# enough, and 5 the most.
verdict() {
	local expected=$1 name=$2 got

	got=$(perl tests/servers/rate_judge.pl cell 3 5 server=s load=l unit=MB/s shunt_share=90/0 \
		shunt_captured=1 "${@:3}" | head -1)
	n=$((n + 1))
	if [[ $got == $expected ]]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "# $got, not $expected"
		failed=1
	fi
}

echo "1..15"
verdict pass "faster than splice, three rounds: pass" < <(rounds 3 100 80 100 80)
verdict more "two rounds are not enough" < <(rounds 2 100 80 100 80)
verdict pass "0.91 of splice passes" < <(rounds 3 100 80 73 80)
verdict more "0.89 of splice: more rounds" < <(rounds 3 100 80 71 80)
verdict "fail shunt is 0.89 of splice*" "0.89 of splice in all rounds fails" < <(rounds 5 100 80 71 80)
verdict pass "auto that is splice may differ by noise" < <(rounds 5 100 80 80 71)
verdict "fail auto is 0.89 of splice*" "auto that is the shunt may not" auto_share=90/0 < <(rounds 5 100 80 80 71)
verdict pass "a shunt that has captured nothing is splice" shunt_share=0/0 shunt_captured=0 < <(rounds 5 100 80 71 80)
verdict "fail*" "one that has captured, and redirects nothing, is not" shunt_share=0/0 < <(rounds 5 100 80 71 80)
verdict more "a pause that splice has not: more rounds" < <(rounds 3 100,5 80,20 80,210 80,20)
verdict "fail shunt paused*" "pauses that splice has not fail" < <(rounds 5 100,5 80,20 80,210 80,20)
verdict pass "pauses that native has as well pass" < <(rounds 5 100,150 80,20 80,210 80,20)
verdict pass "one pause in five rounds is the machine's" < <(rounds 4 100,5 80,20 80,30 80,20; echo "5 shunt 80 - 210")
verdict pass "the median counts" < <(rounds 2 100 80 30 80; rounds 3 100 80 79 80 | sed 's/^/2/'; echo "5 native 100 - -")
verdict "fail shunt failed: curl: status 28" "a load that has failed fails" < <(rounds 3 100 80 100 80; echo "4 shunt failed curl: status 28")
exit $failed
