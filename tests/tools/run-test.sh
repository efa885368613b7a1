#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How prove runs one test, whatever it is: a bats file, a shell script, a fuzz target with
# its corpus, or a program. All print TAP.
#
# Under STRICT=1 a skipped test is turned into a failed one: in CI nothing may be missing.
# "skip sanitized: REASON" is for what a sanitizer makes senseless, and only allowed under one;
# "skip gone: REASON" for what this version of another program does not have any more.
# With NONE_WHOLE=1 a file of which every test is skipped has failed in any case: who asks for
# the tests with dockerd must not read PASS where there is no dockerd.
# What is skipped is said in a comment, a line for each reason.
# TEST_TIMEOUT is the number of seconds that one file may take; without it 600, PATIENCE times.
set -uo pipefail

run_test() {
	local limit="timeout --foreground -k 10 ${TEST_TIMEOUT:-$((600 * ${PATIENCE:-1}))}"

	case $1 in
	*.bats) $limit bats --tap "$1" ;;
	*.sh) $limit bash "$1" ;;
	tests/servers/rate/*) $limit bash tests/servers/rate.sh "$1" ;;
	*/fuzz/*) $limit "$1" tests/fuzz/corpus/"${1##*/}"/* ;;
	/*) $limit "$1" ;;
	*) $limit "./$1" ;;
	esac
}

# filter - skips are failures when that is wanted; remarks are shown around failures only,
# and all of them with V=1.
filter() {
	awk -v strict="${STRICT:-}" -v san="${SAN:-}" -v verbose="${V:-}" \
		-v none_whole="${NONE_WHOLE:-}" '
	/^# ok - / { next }
	/^#/ && !verbose { remarks = remarks $0 "\n"; next }
	tolower($0) ~ /^1\.\.0($|[^0-9])/ && (strict || none_whole) {
		sub(/^[^#]*#? */, "")
		$0 = "1..1\nnot ok 1 - nothing was tested, " \
			(strict ? "all skipped, which STRICT forbids: " : "all skipped: ") $0
	}
	/^1\.\.[0-9]/ { planned = substr($1, 4) + 0 }
	tolower($0) ~ /^(not )?ok .*[^\\]# *skip/ {
		skipped++
		reason = $0
		sub(/.*# *[Ss][Kk][Ii][Pp]+[Ee]?[Dd]? */, "", reason)
		if (!(reason in times))
			reasons[++n_reasons] = reason
		times[reason]++
		if (strict && !(san && reason ~ /^sanitized: /) && reason !~ /^gone: /) {
			sub(/^(not )?ok/, "not ok")
			sub(/# */, "- STRICT forbids: ")
		} else if (none_whole && skipped == planned) {
			sub(/^(not )?ok/, "not ok")
			match($0, / *# *[Ss][Kk][Ii][Pp][^#]*$/)
			$0 = substr($0, 1, RSTART - 1) " - nothing was tested, all " planned \
				" are skipped: " reason
		}
	}
	/^(not )?ok/ {
		seen++
		now = /^not/ && !/# TODO/ # a difference that is known explains nothing
		if (failed || now) printf "%s", remarks
		failed = now
		remarks = ""
	}
	{ print; fflush() }
	END {
		if (failed || seen != planned)
			printf "%s", remarks
		for (i = 1; i <= n_reasons; i++)
			printf "# skipped, %d of %d: %s\n", times[reasons[i]], seen, reasons[i]
	}'
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
