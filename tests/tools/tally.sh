#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Counts the tests in what prove has printed, once or several times.
#
# tally.sh LOG STATUS	prints "PASSED FAILED"; a step that ended with a STATUS other than 0
#			has one failed test at least
set -euo pipefail
awk -v status="$2" '
/^Files=[0-9]+, Tests=[0-9]+,/ { split($2, tests, "[=,]"); all += tests[2] }
match($0, /Failed: [0-9]+\)$/) && /\(Wstat: / { failed += substr($0, RSTART + 8) + 0 }
END {
	if (status != 0 && !failed)
		failed = 1
	if (all < failed)
		all = failed
	print all - failed, failed + 0
}' "$1"
