# SPDX-License-Identifier: Apache-2.0
# The systemd unit and the AppArmor profile of attach: both are accepted by the programs that read
# them, and what the unit takes away is not needed.

load lib
load run_lib
load udp_lib

setup_file() { e2e_setup_file; }
setup() {
	run_setup
	unit=$dir/portshunt@lab.service profile=$dir/portshunt-attach
	sed "s|@BINDIR@|$E2E_DIR|" "$e2e_root/user/systemd/portshunt@.service" >"$unit"
	sed "s|@BINDIR@|$E2E_DIR|" "$e2e_root/user/apparmor/portshunt-attach" >"$profile"
}
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# of_unit SETTING - its words
of_unit() {
	sed -n "s/^$1=//p" "$unit" | tr '\n' ' '
}

# bounded - sets $wrap: with the unit's capabilities, and no more
bounded() {
	local set=-all cap

	for cap in $(of_unit CapabilityBoundingSet); do
		cap=${cap#CAP_}
		set+=,+${cap,,}
	done
	wrap=(setpriv --no-new-privs --bounding-set "$set")
}

# attach_all - attach with a control socket, ports of TCP and UDP, and one below 1024
attach_all() {
	netns_make
	httpd 80 "$ns"
	portshunt_start attach --netns "$ns" --control "$dir/control" --child-ip 127.0.0.1 \
		-p 127.0.0.1::80 -p 127.0.0.1:999:80 -p 127.0.0.1::53/udp
	wrap=() # peers have it too
}

# works - all of them do, and a UDP client is told by ICMP that its port is closed
works() {
	published 80
	page "http://127.0.0.1:$port/"
	page http://127.0.0.1:999/
	"$PORTSHUNT" list --control "$dir/control" | grep -q 127.0.0.1:999
	published 53 udp
	peer_start closed client udp-hold --connections 5 127.0.0.1 "$port"
	peer_read closed
	asked closed "ping 3000" "answered 0, silent 5, refused 5"
	peer_kill closed
}

# datapath_taken - which one auto has taken
datapath_taken() {
	sed -n 's/.*datapath \([a-z]*\): .*/\1/p' "$dir/portshunt.err" | head -1
}

@test "systemd accepts the unit without a word, and finds little exposed" {
	run systemd-analyze verify --man=no "$unit"
	[ "$status" = 0 ] && [ -z "$output" ]
	systemd-analyze security --offline=true --threshold=45 "$unit"
}

@test "AppArmor accepts the profile" {
	apparmor_parser --skip-kernel-load --skip-cache "$profile"
}

@test "the profile gives the capabilities that the unit gives" {
	diff <(of_unit CapabilityBoundingSet | tr ' ' '\n' | sed -n 's/^CAP_//p' | tr A-Z a-z | sort) \
		<(sed -n 's/^\tcapability \(.*\),$/\1/p' "$profile" | sort)
}

@test "with the unit's capabilities attach does all that it does as root" {
	need_root
	attach_all
	works
	best=$(datapath_taken)
	portshunt_stop TERM
	[ "$status" = 0 ]

	bounded
	attach_all
	works
	[ "$(datapath_taken)" = "$best" ]
}

# expand GROUP - the system calls of one of systemd's groups
expand() {
	systemd-analyze syscall-filter "$1" | sed -n 's/^ \{1,\}\([@a-z0-9_-]*\)$/\1/p' |
		while read -r name; do
			case $name in
			@*) expand "$name" ;;
			*) echo "$name" ;;
			esac
		done
}

filter_allows() {
	local word

	expand @default
	for word in $(of_unit SystemCallFilter); do
		case $word in
		@*) expand "$word" ;;
		*) echo "$word" ;;
		esac
	done
}

@test "the unit's filters allow every system call and every kind of socket of attach" {
	need_root
	[ -z "${SAN:-}" ] || skip "sanitized: LeakSanitizer does not work while it is traced"
	# strace is nobody's parent, so that signals reach portshunt
	wrap=(strace -D -f -o "$dir/trace" -e signal=none)
	attach_all
	works
	pid=$portshunt_pid
	portshunt_stop TERM
	eventually 10 grep -q "^$pid *+++ exited" "$dir/trace"

	sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$dir/trace" | sort -u >"$dir/used"
	[ "$(wc -l <"$dir/used")" -gt 40 ]
	filter_allows | sort -u | comm -23 "$dir/used" - >"$dir/refused"
	cat "$dir/refused"
	[ ! -s "$dir/refused" ]

	sed -n 's/^[0-9]* *socket\(pair\)\?(\(AF_[A-Z0-9]*\),.*/\2/p' "$dir/trace" |
		sort -u >"$dir/families"
	diff "$dir/families" <(of_unit RestrictAddressFamilies | tr ' ' '\n' | grep . | sort)
}
