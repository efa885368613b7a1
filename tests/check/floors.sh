#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules of the source tree that no compiler knows: which folder may include which, what
# each file must carry, what may lie at the top. Prints TAP.
#
# Every rule is a function that prints the violations in the current directory. Each is run
# on the tree, and then on a small scratch tree with one violation, which it must find.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Files that may have more than 400 lines, and why.
declare -A long=(
	[tests/unit/base_loop.c]="many short cases of one small interface"
	[tests/unit/slirp4netns_real.c]="many short cases of one contract, with the real program"
	[tests/unit/supervisor_clients.c]="many short lies of one peer"
	[tests/unit/rule_spec.c]="two tables, of what is read and what is refused"
)

# A folder of user/ may include its own floor and those below.
declare -A floor=([base]=0 [isolation]=1 [rule]=1 [datapath]=1 [control]=2 [forwarder]=2 [supervisor]=2 [cmd]=3)

top=".ci .clang-format .clang-tidy .git .github .gitignore LICENSE Makefile README.md bpf include tests user vmlinux"
products="build compile_commands.json ${O:-build}"

each_source() {
	find . \( -path ./.git -o -path ./build -o -path "./${O:-build}" -o -path ./tests/fuzz/corpus \) \
		-prune -o -type f \( "$@" \) -print | sed 's|^\./||' | sort
}

c_sources() {
	each_source -name '*.[ch]'
}

# quoted - lines "file folder header" of all includes in quotes; folder is - where there is none.
quoted() {
	c_sources | xargs -r grep -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' |
		sed -E 's/^([^:]*):.*"(([^"]*)\/)?([^"\/]*)"$/\1 \3 \4/; s/  / - /' || true
}

no_upward_include() {
	local file folder header own

	quoted | while read -r file folder header; do
		header=$folder/$header folder=${folder%%/*}
		case $file in
		user/*/*) own=${file#user/} own=${own%%/*} ;;
		user/* | tests/*) continue ;;
		*) own=below ;;
		esac
		[ -n "${floor[$folder]:-}" ] || continue
		if [ "${floor[$folder]}" -gt "${floor[$own]:--1}" ]; then
			echo "$file: includes \"$header\" of a higher floor"
		fi
	done
}

# A program of tests/tools lives in one folder, and its parts need not name it; what is in
# include/ has no folder.
includes_carry_the_folder() {
	quoted | awk '$2 == "-" && $1 !~ /^tests\/tools\// { print }' | while read -r file _ header; do
		[ -f "include/$header" ] || echo "$file: includes \"$header\" without its folder"
	done
}

# system_include PATTERN ALLOWED - who includes <PATTERN but is not ALLOWED (regular expressions)
system_include() {
	each_source -path './user/*.[ch]' |
		xargs -r grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($1)" |
		grep -vE "^($2):" || true
}

only_datapath_sees_libbpf() {
	system_include 'bpf/|linux/bpf|[^>"]*\.l?skel\.h' 'user/datapath/[^:]*'
}

only_json_c_sees_json_c() {
	system_include 'json-c/|json\.h' 'user/base/json\.c'
}

sources_name_their_licence() {
	local file licence

	each_source -name '*.[ch]' -o -name '*.sh' -o -name '*.bats' -o -name '*.bash' -o -name '*.scd' \
		-o -name '*.service' -o -path './user/apparmor/*' \
		-o -name Makefile -o -path ./.ci/run | while read -r file; do
		case $file in
		bpf/*) licence='GPL-2.0-only OR BSD-2-Clause' ;;
		include/*) licence='Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause' ;;
		*) licence=Apache-2.0 ;;
		esac
		head -3 "$file" | grep -q "SPDX-License-Identifier: $licence\( \*/\)\?$" ||
			echo "$file: no line SPDX-License-Identifier: $licence"
	done
}

files_are_short() {
	local file lines

	each_source -name '*.[ch]' -o -name '*.sh' -o -name '*.bats' -o -name Makefile | while read -r file; do
		lines=$(wc -l <"$file")
		if [ "$lines" -gt 400 ] && [ -z "${long[$file]:-}" ]; then
			echo "$file: $lines lines: split it, or give the reason in floors.sh"
		fi
	done
}

exceptions_are_needed() {
	local file

	for file in "${!long[@]}"; do
		if [ ! -e "$file" ] || [ "$(wc -l <"$file")" -le 400 ]; then
			echo "$file: is not over 400 lines any more"
		fi
	done
}

top_level_is_fixed() {
	local name

	for name in $(ls -A); do
		case " $top $products " in
		*" $name "*) ;;
		*) echo "$name: does not belong at the top level" ;;
		esac
	done
}

no_trailing_whitespace() {
	each_source -name '*' | tr '\n' '\0' | xargs -r0 grep -HnIE '[[:blank:]]+$' || true
}

# The violations: a rule, then the file to write in the scratch tree and its text.
violations=(
	no_upward_include user/base/a.c '#include "rule/spec.h"'
	no_upward_include user/datapath/a.h '#include "forwarder/forwarder.h"'
	no_upward_include user/forwarder/a.c ' # include "cmd/cmd.h"'
	no_upward_include user/base/a.c '#include "supervisor/slirp4netns/probe.h"'
	no_upward_include user/rule/deep/a.c '#include "cmd/cmd.h"'
	no_upward_include include/a.h '#include "base/fd.h"'
	includes_carry_the_folder user/base/a.c '#include "fd.h"'
	only_datapath_sees_libbpf user/forwarder/a.c '#include <bpf/libbpf.h>'
	only_datapath_sees_libbpf user/cmd/a.c '#include "datapath/shunt.lskel.h"'
	only_json_c_sees_json_c user/base/log.c '#include <json-c/json.h>'
	sources_name_their_licence user/base/a.c '/* no licence */'
	sources_name_their_licence bpf/a.c '/* SPDX-License-Identifier: Apache-2.0 */'
	files_are_short user/base/a.c "$(seq 401)"
	exceptions_are_needed user/base/b.c 'short'
	top_level_is_fixed a.txt ''
	no_trailing_whitespace user/base/a.c 'int a; '
)

rules=(no_upward_include includes_carry_the_folder only_datapath_sees_libbpf
	only_json_c_sees_json_c sources_name_their_licence files_are_short exceptions_are_needed
	top_level_is_fixed no_trailing_whitespace)

n=0 failed=0
tap() { # tap DESCRIPTION OK [DETAILS]
	n=$((n + 1))
	if [ "$2" = yes ]; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1"
		[ -z "${3:-}" ] || echo "$3" | sed 's/^/# /'
	fi
}

echo "1..$((${#rules[@]} + ${#violations[@]} / 3))"
for rule in "${rules[@]}"; do
	found=$($rule)
	tap "${rule//_/ }" "$([ -z "$found" ] && echo yes)" "$found"
done

long=([user/base/b.c]="so that the scratch trees have an exception")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for ((i = 0; i < ${#violations[@]}; i += 3)); do
	rule=${violations[i]} file=${violations[i + 1]}
	mkdir -p "$scratch/$i/$(dirname "$file")"
	echo "${violations[i + 2]}" >"$scratch/$i/$file"
	found=$(cd "$scratch/$i" && $rule)
	tap "${rule//_/ }: a violation in $file is found" \
		"$([[ $found == "$file"* ]] && echo yes)" "$found"
done
exit $failed
