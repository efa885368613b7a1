#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark works: every way that it does not skip gets figures, a way that cannot run is
# named, and nothing is left behind. What the figures are is not looked at. Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" != 0 ]; then
	echo "1..0 # SKIP the benchmark needs root"
	exit
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export BENCH_ROUNDS=1 BENCH_SECONDS=0.1 TMPDIR=$dir
n=0 failed=0

# check NAME COMMAND... - one test.
check() {
	local name=$1

	shift
	n=$((n + 1))
	if "$@" >"$dir/out" 2>&1; then
		echo "ok $n - $name"
		return
	fi
	echo "not ok $n - $name"
	sed 's/^/# /' "$dir/out"
	failed=1
}

# Every way of the result has a figure above 0 for each load (memory without a forwarder is
# 0); ours is among them. Others may fail: they are as they are installed here.
figures_came() {
	perl -MJSON::PP -e '
		local $/;
		my $r = decode_json(<STDIN>);
		my $bad = 0;
		for my $way ("native", "portshunt") {
			next if $r->{ways}{$way};
			print "$way was not measured: ", $r->{skipped}{$way} // "not even named", "\n";
			$bad = 1;
		}
		for my $name (@ARGV) {
			my $load = $r->{loads}{$name} or die "$name was not measured\n";
			for my $way (sort keys %{$load->{ways}}) {
				my $w = $load->{ways}{$way};
				my $figure = $w->{$load->{figure}}[0];
				next if $figure || defined $figure && $name =~ /^idle/;
				my $why = $w->{failed} ? $w->{failed}[0] : "no figure";
				print "$name, $way: $why\n";
				$bad = 1 if $way =~ /^(native|veth|portshunt)$/;
			}
		}
		exit $bad;' "$@" <"$dir/json"
}

is_ours() {
	local pid=$1

	while [ "${pid:-0}" -gt 1 ]; do
		[ "$pid" != $$ ] || return 0
		pid=$(sed -n 's/^PPid:\s*//p' "/proc/$pid/status" 2>/dev/null)
	done
	return 1
}

# What the benchmark starts has TMPDIR in its environment, and its files are below; a process
# that it has left is nobody's child any more.
nothing_left() {
	local file pid left=''

	for file in $(grep -lazx "TMPDIR=$dir" /proc/[0-9]*/environ 2>/dev/null); do
		pid=${file//[^0-9]/}
		is_ours "$pid" || left+=" $pid $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
	done
	echo "processes:$left; files:" "$dir"/tmp.*
	[ -z "$left" ] && [ ! -e "$(echo "$dir"/tmp.*)" ]
}

refused() {
	! "$@" && [ "$(wc -l <"$dir/out")" = 1 ]
}

names_what_cannot_run() {
	BENCH_PEERS="native carrier-pigeon" BENCH_ONLY=rr-1 bash tests/bench/bench.sh --json "$dir/named" &&
		grep -q '"carrier-pigeon" : "no such way' "$dir/named"
}

all="bulk-select-up crr-16 start"
ours="rr-64 wwr idle-1k stopped ports-1000"
echo "1..8"
check "all ways that are here" env BENCH_ONLY="$all" bash tests/bench/bench.sh --json "$dir/json"
check "figures came" figures_came $all
check "nothing is left behind" nothing_left
check "ours, with the other loads" env BENCH_PEERS="native portshunt" BENCH_ONLY="$ours" \
	bash tests/bench/bench.sh --json "$dir/json"
check "figures came of these" figures_came $ours
check "a way that does not exist is named" names_what_cannot_run
check "a load that does not exist is refused" refused env BENCH_ONLY=nonsense bash tests/bench/bench.sh
check "a bad number of rounds is refused" refused env BENCH_ROUNDS=some bash tests/bench/bench.sh
exit $failed
