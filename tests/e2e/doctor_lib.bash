# SPDX-License-Identifier: Apache-2.0
# Places where the shunt cannot run, for the tests of doctor and of `auto`. Each is a list of
# words in front of a command, and what the self-tests have to say there.

# hindrances - sets ${without[NAME]}, the words to get there, and ${because[NAME]}
hindrances() {
	local name

	declare -gA without=() because=()
	without[privileges]="setpriv --reuid 65534 --regid 65534 --clear-groups"
	because[privileges]="CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are missing"
	if [ "$(id -u)" = 0 ]; then
		without[CAP_PERFMON]="setpriv --bounding-set=-sys_admin,-perfmon --inh-caps=-sys_admin,-perfmon"
		because[CAP_PERFMON]="CAP_PERFMON is missing"
		without[CAP_NET_ADMIN]="setpriv --bounding-set=-net_admin --inh-caps=-net_admin"
		because[CAP_NET_ADMIN]="CAP_NET_ADMIN is missing"
		without[docker]="setpriv --bounding-set=-sys_admin,-bpf,-perfmon --inh-caps=-sys_admin,-bpf,-perfmon"
		because[docker]="CAP_BPF and CAP_PERFMON are missing"
		without[types]="unshare --mount $E2E_DIR/untyped"
		because[types]="the kernel's types cannot be read: /sys/kernel/btf/vmlinux: no such file or directory"
		without[bpf]="perl $E2E_DIR/forbid-bpf"
		because[bpf]="bpf(2) is forbidden here, in spite of the capabilities"
		without[lo]="unshare --net"
		because[lo]="no connection can be made over loopback: network is unreachable"
	else
		without[privileges]=
	fi
	without[userns]="unshare --user --map-root-user"
	because[userns]="a user namespace gives no right to load BPF programs"
	if [ "${BPF:-1}" = 0 ]; then
		for name in "${!because[@]}"; do
			because[$name]="this program was built without BPF (make BPF=0)"
		done
	fi
	hindrances_files
}

hindrances_files() {
	printf '#!/bin/sh\nmount -t tmpfs none /sys/kernel/btf && exec "$@"\n' >"$E2E_DIR/untyped"
	chmod 755 "$E2E_DIR/untyped"
	# seccomp(2) with SECCOMP_SET_MODE_FILTER, on x86-64 or arm64: bpf(2) gives EPERM
	cat >"$E2E_DIR/forbid-bpf" <<'END'
chomp(my $machine = `uname -m`);
my ($seccomp, $bpf) = $machine eq "aarch64" ? (277, 280) : (317, 321);
my $filter = pack("SCCL" x 4, 0x20, 0, 0, 0, 0x15, 0, 1, $bpf, 0x06, 0, 0, 0x00050001,
	0x06, 0, 0, 0x7fff0000);
syscall($seccomp, 1, 0, pack("Sx6P", 4, $filter)) == 0 or die "seccomp: $!";
exec @ARGV;
END
}

# what_can_run - sets $best to what `auto` is here without any hindrance, $reason to why it is
# not better; by the doctor's word.
what_can_run() {
	local would

	would=$("$PORTSHUNT" doctor | tail -1)
	would=${would#auto would pick }
	best=${would%%:*} reason=
	[ "$best" = "$would" ] || reason=${would#*: }
}
