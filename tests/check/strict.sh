#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What run-test.sh makes of skipped tests, with STRICT=1 and without. Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0 failed=0

# verdict STRICT EXPECTED NAME - run the test on stdin under prove and compare its verdict.
verdict() {
	local strict=$1 expected=$2 name=$3 got=pass

	cat >"$dir/test.sh"
	STRICT=$strict prove -Q --exec tests/tools/run-test.sh "$dir/test.sh" >/dev/null 2>&1 || got=fail
	n=$((n + 1))
	if [ $got = "$expected" ]; then
		echo "ok $n - $name: $got"
	else
		echo "not ok $n - $name: $got, not $expected"
		failed=1
	fi
}

echo "1..11"
one='echo 1..2; echo "ok 1 - a"; echo "ok 2 - b # skip no busybox"'
all='echo "1..0 # SKIP no kernel support"'
verdict '' pass "one skipped test" <<<"$one"
verdict 1 fail "one skipped test under STRICT" <<<"$one"
verdict '' pass "a file that cannot run here" <<<"$all"
verdict 1 fail "a file that cannot run here under STRICT" <<<"$all"
verdict 1 pass "ordinary tests under STRICT" <<<'echo 1..10; seq -f "ok %.0f - skip nothing" 10'
verdict 1 fail "a failed test under STRICT" <<<'echo 1..1; echo "not ok 1 - a"'
verdict 1 fail "a bad exit status under STRICT" <<<'echo 1..1; echo "ok 1 - a"; exit 3'
verdict '' fail "fewer tests than planned" <<<'echo 1..2; echo "ok 1 - a"'
san='echo 1..1; echo "ok 1 - a # skip sanitized: b"'
SAN='' verdict 1 fail "skipped for a sanitizer that is not there" <<<"$san"
SAN=address verdict 1 pass "skipped for a sanitizer" <<<"$san"
TEST_TIMEOUT=0.2 verdict '' fail "a test that hangs" <<<'echo 1..1; exec sleep 20'
exit $failed
