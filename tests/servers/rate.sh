#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast a server is natively, and behind each datapath. Prints TAP, a test for each load: the
# shunt, and what auto takes, must reach 0.9 of splice, and must not pause for 100 ms or more
# where native and splice do not. The table goes to stderr, and to $O/servers/GROUP.tsv; what it is
# made of to GROUP.records.
#
#	rate.sh tests/servers/rate/GROUP.bash
#
#	LOADS=REGEX	only loads whose name matches
#	ROUNDS=3 MOST=9	rounds of a load that passes, and of one that does not
#	RATE_WAYS="native splice shunt auto"
#
# A description of a group of servers is a file that says
#
#	needs="COMMAND..."	what must be installed; deps.sh has the packages
#	ports="PORT..."		the container ports to publish
#	start() { ... }		starts the servers in the namespace $ns: server_start of servers.bash
#	loads() { ... }		calls cell for each load
#	warm_up=yes		if a server is slow at first: each load runs once uncounted
#
# and may define missing(), which prints what else is not installed, and way_ports(), which prints
# specs that only the datapath $way publishes.
# $dir is the group's own directory. rate_loads.bash has the loads.
set -uo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "1..0 # SKIP $*"
	mkdir -p "${O:-build}/servers"
	echo "$*" >"${O:-build}/servers/${group:-}.skipped"
	exit 0
}

load() {
	. "tests/servers/$1.bash"
}

load servers
load rate_loads

description=${1:?usage: rate.sh tests/servers/rate/GROUP.bash}
group=${description##*/}
group=${group%.bash}
enough=${ROUNDS:-3} most=${MOST:-9}
[ "$most" -ge "$enough" ] || most=$enough
ways=(${RATE_WAYS:-native splice shunt auto})
results=${O:-build}/servers
pace=$PWD/tests/tools/pace.pl
n=0 failed=0 note='' auto_is='' fionread_wrong='' tool_pid=''
declare -A forwarder=() before=()

# ---- the ways -------------------------------------------------------------------------

# way_start DATAPATH - portshunt, whose output, control socket and pid are kept by that name.
way_start() {
	local way=$1 dir=$dir/$1 publish=() p

	mkdir "$dir"
	for p in $ports $(way_ports); do
		publish+=(-p "$p")
	done
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --datapath "$way" \
		--control "$dir/control" "${publish[@]}" || return
	forwarder[$way]=$portshunt_pid
	portshunt_pid=
}

way_ports() {
	:
}

missing() {
	:
}

ways_start() {
	local way

	for way in "${ways[@]}"; do
		[ "$way" = native ] || way_start "$way" || return
	done
	if [ -n "${forwarder[auto]:-}" ]; then
		auto_is=$(sed -n 's/^portshunt: datapath \([a-z]*\).*/\1/p' "$dir/auto/portshunt.err")
	fi
	! grep -qs 'warning: .*FIONREAD' "$dir/shunt/portshunt.err" || fionread_wrong=1
}

# at PORT - sets port, where the container's PORT is reached by the way that is measured.
at() {
	local dir=$dir/$way

	port=$1
	[ "$way" = native ] || published "$1"
}

# counters WAY - sets counts to the counters of its portshunt so far.
counters() {
	local name stats

	stats=$("$PORTSHUNT" stats --json --control "$dir/$1/control") || return
	counts=()
	for name in down_relayed down_redirected up_relayed up_redirected captured released; do
		if [[ ${stats%%\"rules\"*} =~ \"$name\":([0-9]+) ]]; then
			counts+=("${BASH_REMATCH[1]}")
		elif [ $name = released ]; then
			counts+=(0) # an older build, to be compared
		else
			return 1
		fi
	done
}

# remember - keeps the counters as they are now.
remember() {
	local way counts

	for way in shunt auto; do
		[ -n "${forwarder[$way]:-}" ] || continue
		counters "$way" || return
		before[$way]=${counts[*]}
	done
}

# shares - sets moved to what is different now, as keys for rate_judge.pl, for the shunt and auto:
# the percentage of bytes that were redirected, DOWN/UP, in how many directions a sender was
# captured until it ended, and in how many it was given back to splice.
shares() {
	local way counts

	moved=()
	for way in shunt auto; do
		[ -n "${forwarder[$way]:-}" ] || continue
		counters "$way" || return
		moved+=($(awk -v way="$way" -v from="${before[$way]}" -v to="${counts[*]}" 'BEGIN {
			split(from, f)
			n = split(to, t)
			for (i = 1; i <= n; i++) t[i] -= f[i]
			printf "%s_share=%d/%d %s_captured=%d %s_released=%d\n", way,
				t[1] + t[2] ? 100 * t[2] / (t[1] + t[2]) : 0,
				t[3] + t[4] ? 100 * t[4] / (t[3] + t[4]) : 0, way, t[5], way, t[6] }'))
	done
}

# ---- loads ----------------------------------------------------------------------------

# cell NAME FUNCTION ARG... - measures a load in rounds, and judges it. The function sets rate,
# and p99 and pause (in ms) if it knows them; it fails, and sets why, if the load has failed.
cell() {
	local name=$1 load=("${@:2}") round over=('') way rate p99 pause why verdict row
	local moved=() order records=$dir/records

	[[ $name =~ ${LOADS:-} ]] || return 0
	n=$((n + 1))
	: >"$records"
	remember || { lost "$name"; return; }
	unit=req/s
	if [ -n "$warm_up" ]; then
		way=native enter=(nsenter --net="$ns")
		"${load[@]}" >"$dir/report" 2>&1 || true
	fi
	for ((round = 1; round <= most; round++)); do
		order=("${ways[@]}")
		# neither the first nor the last place of a round is always the same way's
		[ $((round % 2)) = 1 ] || order=($(printf '%s\n' "${ways[@]}" | tac))
		for way in "${order[@]}"; do
			[[ " $except " != *" $way "* ]] || continue
			rate='' p99=- pause=- why='no figure'
			enter=()
			[ "$way" != native ] || enter=(nsenter --net="$ns")
			: >"$dir/out" 2>"$dir/err"
			if "${load[@]}" >"$dir/report" 2>&1 && [ "${rate//[0.]/}" != "" ]; then
				echo "$round $way $rate $p99 $pause" >>"$records"
			else
				echo "$round $way failed ${why//$'\n'/ }" >>"$records"
				cat "$dir/report" "$dir/out" "$dir/err" | tail -n 20 | sed "s/^/# $way: /"
			fi
		done
		shares || { lost "$name"; return; }
		[ "$round" -ge "$enough" ] || ! grep -q failed "$records" || break
		[ "$round" -ge "$enough" ] || continue
		judge || return
		[ "$verdict" = more ] || break
	done
	judge || return
	echo "$row" >>"$results/$group.tsv"
	sed "s|^|$name: |" "$records" >>"$results/$group.records"
	echo "# $(tr '\t' ' ' <<<"$row")"
	if [ "$verdict" = pass ]; then
		echo "ok $n - $group: $name"
	else
		failed=1
		echo "not ok $n - $group: $name"
		echo "# ${verdict#fail }"
		sed 's/^/# /' "$records"
	fi
}

judge() {
	{
		read -r verdict
		IFS= read -r row
	} < <(perl tests/servers/rate_judge.pl cell "$enough" "$most" "server=$group" "load=$name" \
		"unit=$unit" "note=$note" "${moved[@]}" <"$records")
	[ -n "$row" ] || lost "$name"
}

# lost NAME - portshunt does not answer, or there is no verdict.
lost() {
	failed=1
	echo "not ok $n - $group: $1"
	tail -n 5 "$dir"/*/portshunt.err | sed 's/^/# /'
}

# uncaptured WHY cell ... - a load of which the shunt takes nothing, and is known not to.
uncaptured() {
	note="not captured: $1"
	"${@:2}"
	note=
}

# asks_fionread cell ... - a load that hangs on the shunt where the kernel's FIONREAD is wrong,
# which portshunt has warned of: it is not measured on the shunt there.
asks_fionread() {
	if [ -n "$fionread_wrong" ]; then
		except=shunt
		note="left out on the shunt: this kernel's FIONREAD is wrong"
	fi
	"$@"
	except='' note=
}

# ---- a run ----------------------------------------------------------------------------

cleanup() {
	local name way

	trap '' INT TERM
	[ -z "$tool_pid" ] || kill "$tool_pid" 2>/dev/null || true
	for name in "${!server_pid[@]}"; do
		server_stop "$name" >/dev/null 2>&1 || true
	done
	for way in "${!forwarder[@]}"; do
		portshunt_pid=${forwarder[$way]}
		portshunt_stop || true
	done
	for name in "${namespaces[@]}"; do
		netns_delete "$name"
	done
	rm -rf "$E2E_DIR"
}

main() {
	local command except='' warm_up=''

	rm -f "$results/$group".*
	. "$description"
	[ "${BPF:-1}" != 0 ] || skip "built without BPF: there is only splice"
	[ "$(id -u)" = 0 ] || skip "needs root"
	for command in perl $needs; do
		command -v "$command" >/dev/null || skip "$command is not installed"
	done
	[ -z "$(missing)" ] || skip "$(missing) is not installed"
	mkdir -p "$results"
	e2e_setup_file
	namespaces=() published_ports=() portshunt_pid=
	declare -gA server_pid=() server_signal=() peer_pid=() peer_in=() peer_out=()
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	dir=$E2E_DIR/$group
	mkdir -m 777 "$dir"
	netns_make
	if ! start >"$dir/start" 2>&1 || ! ways_start >>"$dir/start" 2>&1; then
		echo "1..1"
		echo "not ok 1 - $group starts"
		sed 's/^/# /' "$dir/start"
		exit 1
	fi
	loads
	[ $n -gt 0 ] || skip "no load is called $LOADS"
	echo "1..$n"
	{
		echo
		[ ! -s "$results/$group.tsv" ] || perl tests/servers/rate_judge.pl table <"$results/$group.tsv"
		[ -z "$auto_is" ] || echo "auto is $auto_is here"
	} >&2
	exit $failed
}

main
