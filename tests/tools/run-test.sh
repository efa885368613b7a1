#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How prove runs one test, whatever it is: a bats file, a shell script, a fuzz target with
# its corpus, or a program. All print TAP.
#
# Under STRICT=1 a skipped test is turned into a failed one: in CI nothing may be missing.
# "skip sanitized: REASON" is for what a sanitizer makes senseless, and only allowed under one.
# TEST_TIMEOUT is the number of seconds that one file may take.
set -uo pipefail

run_test() {
	local limit="timeout --foreground -k 10 ${TEST_TIMEOUT:-600}"

	case $1 in
	*.bats) $limit bats --tap "$1" ;;
	*.sh) $limit bash "$1" ;;
	*/fuzz/*) $limit "$1" tests/fuzz/corpus/"${1##*/}"/* ;;
	/*) $limit "$1" ;;
	*) $limit "./$1" ;;
	esac
}

# filter - skips are failures when that is wanted; remarks are shown around failures only,
# and all of them with V=1.
filter() {
	awk -v strict="${STRICT:-}" -v san="${SAN:-}" -v verbose="${V:-}" '
	/^# ok - / { next }
	/^#/ && !verbose { remarks = remarks $0 "\n"; next }
	tolower($0) ~ /^1\.\.0($|[^0-9])/ && strict {
		sub(/^[^#]*#? */, "")
		$0 = "1..1\nnot ok 1 - all skipped, which STRICT forbids: " $0
	}
	tolower($0) ~ /^(not )?ok .*[^\\]# *skip/ && strict && !(san && /# *skip sanitized: /) {
		sub(/^(not )?ok/, "not ok")
		sub(/# */, "- STRICT forbids: ")
	}
	/^1\.\./ { planned = substr($1, 4) }
	/^(not )?ok/ {
		seen++
		now = /^not/ && !/# TODO/ # a difference that is known explains nothing
		if (failed || now) printf "%s", remarks
		failed = now
		remarks = ""
	}
	{ print; fflush() }
	END { if (failed || seen != planned) printf "%s", remarks }'
}

# A process that is killed while LeakSanitizer looks at it at its end says so on stderr
# ("Unable to get registers from thread"), and these compare all that is said. The others
# look for leaks of the same processes.
case $1 in
tests/e2e/run_* | tests/e2e/attach_* | tests/e2e/rootlessport_* | tests/e2e/docker_proxy.* | \
	tests/e2e/slirp4netns_setup.* | tests/e2e/auto* | tests/e2e/doctor.*)
	[ -z "${SAN:-}" ] || export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	;;
esac

if [ "${1##*.}" = bats ] && ! command -v bats >/dev/null; then
	echo "1..0 # SKIP bats is not installed, see make deps"
else
	run_test "$1"
fi | filter
