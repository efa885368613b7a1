# SPDX-License-Identifier: Apache-2.0
# Processes, network namespaces and ports of the benchmark: made, looked at and ended.
# Sourced by bench.sh.

declare -A spawned=()
prefix=pstest-bench-$$

# spawn LOG COMMAND... - in the background; sets pid.
spawn() {
	local log=$1

	shift
	"$@" <&0 >"$log" 2>&1 &
	pid=$!
	spawned[$pid]=yes
}

# talk COMMAND... - the same, with $to and $from at its stdin and stdout; sets talker.
talk() {
	rm -f "$dir/to" "$dir/from"
	mkfifo "$dir/to" "$dir/from"
	"$@" <"$dir/to" >"$dir/from" 2>&1 &
	talker=$!
	spawned[$talker]=yes
	exec {to}>"$dir/to" {from}<"$dir/from"
}

talk_end() {
	exec {to}>&- {from}<&-
	end "$talker"
}

# tree PID... - these processes and all that come from them.
tree() {
	local p

	for p; do
		[ -d "/proc/$p" ] || continue
		echo "$p"
		tree $(cat "/proc/$p/task/"*/children 2>/dev/null)
	done
}

# nap SECONDS - without a process: nothing ever comes from silence.
nap() {
	read -r -t "$1" <&"$silence" || true
}

# until_true SECONDS COMMAND... - tries again and again.
until_true() {
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))

	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		nap 0.002
	done
}

# all_gone PID... - none of these runs; what only waits for its parent is gone.
all_gone() {
	local p stat

	for p; do
		read -r stat 2>/dev/null <"/proc/$p/stat" || continue
		if [[ ${stat##*) } != Z* ]]; then return 1; fi
	done
}

# ours PID... - those of them that are still children of this shell.
ours() {
	local p stat

	for p; do
		read -r stat 2>/dev/null <"/proc/$p/stat" || continue
		stat=${stat##*) }
		if [ "$(cut -d' ' -f2 <<<"$stat")" = $$ ]; then echo "$p"; fi
	done
}

# end PID... - spawned ones with all their children: asked first, then made to.
end() {
	local p roots all

	roots=$(ours "$@")
	for p; do unset "spawned[$p]"; done
	[ -n "$roots" ] || return 0
	all=$(tree $roots)
	kill $roots 2>/dev/null || true
	until_true 2 all_gone $roots || true
	kill $all 2>/dev/null || true
	until_true 1 all_gone $all || kill -KILL $all 2>/dev/null || true
	wait $roots 2>/dev/null || true
}

# total_pss PID... - bytes of memory that these and their children use; what they share, once.
total_pss() {
	local p files=(/dev/null)

	for p in $(tree "$@"); do files+=("/proc/$p/smaps_rollup"); done
	# one may end meanwhile
	{ cat "${files[@]}" 2>/dev/null || true; } | awk '$1 == "Pss:" { n += $2 } END { printf "%.0f\n", n * 1024 }'
}

total_fds() {
	local p

	for p in $(tree "$@"); do ls "/proc/$p/fd" 2>/dev/null || true; done | wc -l
}

# kernel_memory - bytes that the kernel took for good, of all the machine: sockets, files, pipes.
kernel_memory() {
	awk '$1 == "SUnreclaim:" { printf "%.0f\n", $2 * 1024 }' /proc/meminfo
}

namespace_new() {
	ip netns add "$1"
	ip netns exec "$1" ip link set lo up
}

remove_namespaces() {
	local path

	for path in /run/netns/"$prefix"-*; do
		if [ -e "$path" ]; then ip netns del "${path##*/}" || true; fi
	done
}

# What podman leaves of a container that ends with it.
remove_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$prefix/*" -exec rmdir {} + 2>/dev/null || true
	find /sys/fs/cgroup -depth -type d -name "$prefix" -exec rmdir {} + 2>/dev/null || true
}

# free_ports N - the first of N in a row, below the ephemeral ones, that nobody listens on at
# $addr. Elsewhere somebody may: among 10 000 there is always one.
free_ports() {
	awk -v n="$1" -v start=$((10000 + RANDOM % 5000)) \
		-v here="$(printf '%02X' $(tr . '\n' <<<"$addr" | tac))\$" '
	function hex(s,  i, v) {
		for (i = 1; i <= length(s); i++)
			v = v * 16 + index("0123456789ABCDEF", substr(s, i, 1)) - 1
		return v
	}
	$4 == "0A" { split($2, a, ":"); if (a[1] ~ /^0+$/ || a[1] ~ here) taken[hex(a[2])] = 1 }
	END {
		for (p = start; p < 32768; p++) {
			row = p in taken ? 0 : row + 1
			if (row == n) { print p - n + 1; exit }
		}
		exit 1
	}' /proc/net/tcp $([ ! -e /proc/net/tcp6 ] || echo /proc/net/tcp6)
}
