#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What run-test.sh makes of skipped tests, with STRICT=1, with NONE_WHOLE=1, and with neither.
# Prints TAP.
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

# said EXPECTED NAME - what is said of the skipped tests of the file on stdin
said() {
	local expected=$1 name=$2 got

	cat >"$dir/test.sh"
	got=$(STRICT='' tests/tools/run-test.sh "$dir/test.sh" | grep '^# skipped' || true)
	n=$((n + 1))
	if [ "$got" = "$expected" ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name: $got"
		failed=1
	fi
}

export NONE_WHOLE=
echo "1..20"
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
verdict 1 pass "skipped since it is gone, under STRICT" <<<'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b # skip gone: c"'
every='echo 1..2; echo "ok 1 - a # skip no dockerd"; echo "ok 2 - b # SKIP no dockerd"'
verdict '' pass "every test skipped" <<<"$every"
export NONE_WHOLE=1
verdict '' fail "every test skipped where none may be whole" <<<"$every"
verdict '' fail "every test skipped since it is gone, where none may be whole" <<<"${every//no dockerd/gone: d}"
verdict '' fail "a file that cannot run here, where none may be whole" <<<"$all"
verdict '' pass "one skipped test, where none may be whole" <<<"$one"
verdict '' pass "the first test skipped, where none may be whole" <<<'echo 1..2; echo "ok 1 - a # skip b"; echo "ok 2 - c"'
export NONE_WHOLE=
said "# skipped, 2 of 2: no dockerd" "a reason is said once" <<<"$every"
said "" "nothing is said where nothing is skipped" <<<'echo 1..1; echo "ok 1 - skip # not"'
exit $failed
