#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What compiler and linker do against exploits is in the program that they made, and none of the
# ways to call make ends in a warning. Prints TAP.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."

o=${O:-build}
program=${PORTSHUNT:-$o/portshunt}
main=$o/user/main.o
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
n=0 failed=0

tap() { # tap DESCRIPTION STATUS [DETAILS]
	n=$((n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1"
		[ -z "${3:-}" ] || echo "$3" | sed 's/^/# /'
	fi
}

# shows PATTERN DESCRIPTION COMMAND... - a line of what the command prints matches
shows() {
	local pattern=$1 description=$2 output

	shift 2
	output=$("$@" 2>&1)
	grep -qE -- "$pattern" <<<"$output"
	tap "$description" $? "no line with $pattern: $*"
}

is_x86() {
	readelf -h "$program" | grep -q 'Machine:.*X86-64'
}

# Of each large frame every page is touched when it is made, so that it cannot leap over a guard page.
stack_probes() {
	case $(readelf -hW "$program") in
	*X86-64*)
		objdump -d --no-show-raw-insn "$program" | awk '
		was_step && /(or|mov)[bq] +\$0x0,\(%rsp\)/ { print "probe of a page" }
		{ was_step = /sub +\$0x1000,%rsp/ }' ;;
	*) objdump -d --no-show-raw-insn "$program" | sed -n 's/.*str\txzr, \[sp.*/probe of a page/p' ;;
	esac
}

# The linker sets the property where every object has it, and the C library brings some.
branch_property() {
	local start

	start=$(cc -print-file-name=Scrt1.o)
	if readelf -nW "$start" | grep -qE "feature: .*($1)"; then
		readelf -nW "$program"
	else
		readelf -nW "$main"
	fi
}

binary_is_hardened() {
	shows 'Type: +DYN' "the program is position-independent" readelf -hW "$program"
	shows 'FLAGS_1.*PIE' "and the loader knows" readelf -dW "$program"
	shows '(FLAGS\).*BIND_NOW|FLAGS_1.*NOW)' "every symbol is bound at the start" readelf -dW "$program"
	shows 'GNU_RELRO' "what the loader has written is read-only afterwards" readelf -lW "$program"
	shows 'GNU_STACK( +0x[0-9a-f]+){5} +RW ' "the stack is not executable" readelf -lW "$program"
	shows '__stack_chk_fail' "stack frames are guarded" readelf -W --dyn-syms "$program"
	shows '__snprintf_chk' "calls that write to a buffer are checked" readelf -W --dyn-syms "$program"
	# which is what level 3 adds in gcc
	shows '__memcpy_chk' "also where only the running program knows the size" \
		readelf -W --dyn-syms "$program"
	shows 'probe of a page' "large frames touch every page" stack_probes
	if is_x86; then
		# of our own code: the C library brings some; with -flto an object file has none
		shows 'endbr64' "indirect jumps have marked targets" \
			objdump --disassemble=main --no-show-raw-insn "$program"
		shows 'feature:.*IBT.*SHSTK' "IBT and SHSTK are promised" branch_property 'IBT.*SHSTK'
	else
		shows '(paciasp|hint +#0x19)' "return addresses are signed" \
			objdump -d --no-show-raw-insn "$program"
		shows 'feature:.*BTI' "BTI is promised" branch_property BTI
	fi
}

# quiet DESCRIPTION LEVEL VARIABLE... - make compiles a file without a word, with this level of
# _FORTIFY_SOURCE, or none.
quiet() {
	local description=$1 wanted=$2 said level

	shift 2
	if [[ " $* " == *" CC=clang "* ]] && ! command -v clang >/dev/null; then
		tap "$description # skip clang is not installed" 0
		return
	fi
	said=$(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u CPPFLAGS -u LDFLAGS -u SAN make -s \
		BPF=0 O="$scratch/o" "$@" "$scratch/o/user/base/addr.o" 2>&1 | grep -v '^  CC ')
	level=$(grep -oE '[DU]_FORTIFY_SOURCE(=[0-9])?' "$scratch/o/flags" | tail -1)
	[ -z "$said" ] && [ -e "$scratch/o/user/base/addr.o" ] && [[ ${level#*=} =~ ^($wanted)$ ]]
	tap "$description" $? "$level, not $wanted; said: $said"
	rm -rf "$scratch/o"
}

builds_are_quiet() {
	quiet "gcc knows all that is asked for" 3 CC=gcc
	quiet "clang does" 3 CC=clang
	# Debian's C library says nothing then, others warn
	quiet "without optimisation" "3|" CFLAGS=-O0
	quiet "a distribution's CFLAGS have a level of their own" 2 \
		CFLAGS="-O2 -Wp,-U_FORTIFY_SOURCE -Wp,-D_FORTIFY_SOURCE=2"
	quiet "a distribution's CPPFLAGS have" 2 CPPFLAGS="-Wdate-time -D_FORTIFY_SOURCE=2"
	quiet "a distribution's CPPFLAGS have none" "U_FORTIFY_SOURCE" CPPFLAGS=-U_FORTIFY_SOURCE
	quiet "a sanitizer needs none" "" SAN=address,undefined
	quiet "clang's sanitizer needs none" "" CC=clang SAN=address
}

if [ -n "${SAN:-}" ]; then
	echo "1..1"
	echo "ok 1 - # skip sanitized: the program that users get is built without a sanitizer"
	exit 0
fi
echo "1..19"
binary_is_hardened
builds_are_quiet
exit $failed
