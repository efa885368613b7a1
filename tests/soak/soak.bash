# SPDX-License-Identifier: Apache-2.0
# What the soak tests share: what is left in the kernel and in our processes, and what the
# kernel has complained about. The end-to-end tests' lib and programs_lib
# have the rest.

load ../e2e/lib
load ../e2e/programs_lib

datapaths=(${DATAPATHS:-splice sockmap shunt})
[ "${BPF:-1}" != 0 ] || datapaths=(splice)

remark() {
	echo "# $DATAPATH: $*" >&3
}

# our_fds - how many descriptors all our processes have: "PIPES SOCKETS OTHERS"
our_fds() {
	local pid

	for pid in $(our_pids); do
		find "/proc/$pid/fd" -type l -printf '%l\n' 2>/dev/null
	done | awk '/^pipe:/ { pipes++; next } /^socket:/ { sockets++; next } { others++ }
		END { print pipes + 0, sockets + 0, others + 0 }'
}

# map_entries - a line "NAME ENTRIES" for each map that has keys of its own; of the array of
# flows, those in use.
map_entries() {
	local id show

	for id in $(bpf_objects | sed -n 's/^map //p'); do
		show=$(bpftool map show id "$id" | head -1)
		case $show in
		*": array "*"name flows "*)
			echo "flows $(bpftool -j map dump id "$id" | grep -o '"id":[1-9]' | wc -l)"
			;;
		*hash* | *sockmap*)
			show=${show#*name }
			echo "${show%% *} $(bpftool -j map dump id "$id" | grep -o '"key":' | wc -l)"
			;;
		esac
	done | sort
}

# The kernel's log from here on.
dmesg_mark() {
	mark="portshunt soak $$ $RANDOM$RANDOM"
	echo "$mark" >/dev/kmsg
}

# dmesg_is_clean - fails, and shows it, when the kernel has complained since dmesg_mark.
dmesg_is_clean() {
	dmesg | sed "1,/$mark/d" >"$dir/dmesg"
	! grep -E 'WARNING|BUG|Oops|refcount|bug:|Call Trace|blocked for more|lockup' "$dir/dmesg"
}

# container_lo - bytes that the loopback interface of $ns has carried.
container_lo() {
	nsenter --net="$ns" awk '$1 == "lo:" { print $2 }' /proc/net/dev
}
