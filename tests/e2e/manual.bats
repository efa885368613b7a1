# SPDX-License-Identifier: Apache-2.0
# The manual pages and --help at 80 columns: what one copies from them is whole.

bats_require_minimum_version 1.5.0
load lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# columns WIDTH - is no line of stdin wider?
columns() {
	local line wide=0

	while IFS= read -r line; do
		line=${line//$'\t'/        }
		[ "${#line}" -le "$1" ] || { echo "${#line} columns: $line"; wide=1; }
	done
	return $wide
}

@test "--help of every command has lines of 80 columns at most" {
	"$PORTSHUNT" --help | columns 80
	for command in run attach add remove list stats reload doctor; do
		"$PORTSHUNT" $command --help >"$dir/help"
		grep -q '^Usage: portshunt' "$dir/help"
		columns 80 <"$dir/help"
	done
}

# rendered PAGE - at 80 columns, as a terminal shows it but for its bold type
rendered() {
	scdoc <"$1" | sed -f "$e2e_root/user/man/copy.sed" >"$dir/page"
	MANWIDTH=80 LC_ALL=C.UTF-8 man -l "$dir/page" 2>"$dir/man.err" | col -bx
}

@test "what is to be copied from a manual page is not broken by a line's end" {
	command -v scdoc && command -v man && command -v col || skip "scdoc or man is missing"
	for page in "$e2e_root"/user/man/*.scd; do
		rendered "$page" >"$dir/text"
		grep -q '^NAME$' "$dir/text"
		columns 80 <"$dir/text"
		# no word, option or path is split
		[ -z "$(grep -nE '[-‐]$' "$dir/text" | grep -v '──')" ]
		# each line of a literal block is there as it was written
		awk '/^```/ { literal = !literal; next } literal' "$page" | sed 's/\\\\/\\/' >"$dir/literal"
		while IFS= read -r line; do
			grep -qF -- "$line" "$dir/text" || { echo "broken: $line"; return 1; }
		done <"$dir/literal"
		# commands of more than one word stand in such blocks
		not_literal=$(grep -nE '^	(portshunt [a-z]+ -|systemctl|cp|apparmor_parser|OPTIONS=|\{)' "$page" || true)
		[ -z "$not_literal" ] || { echo "$not_literal"; return 1; }
	done
}
