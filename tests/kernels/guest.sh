#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first process of the guest once its root is the host's: mounts what a system has, runs
# the tests, and ends qemu with 0x10, or 0x11 when one has failed.
set -uo pipefail
. /run/kernels/settings
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
# bulk data is to pass, it need not be much: everything takes ten times as long here
export PEER_BULK_MB=16 TEST_TIMEOUT=1200 PATIENCE=10

mounts() {
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t cgroup2 cgroup /sys/fs/cgroup
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mount -t bpf bpf /sys/fs/bpf
	mkdir -p /dev/pts /dev/shm /lib/modules
	mount -t devpts -o ptmxmode=666 pts /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	ln -s /proc/self/fd /dev/fd
	mount --bind "$modules" /lib/modules
}

# modules - the kernel loads what it needs by itself, through this.
modules() {
	ln -s "$(type -P busybox)" /run/kernels/modprobe
	echo /run/kernels/modprobe >/proc/sys/kernel/modprobe
	# what is asked for by name only
	/run/kernels/modprobe tun
	/run/kernels/modprobe tcp_bbr
	chmod 600 /dev/net/tun
}

# accounts - as they are now, while tests on the host make and remove the user pstest.
accounts() {
	sed -i '/^pstest:/d' /etc/{passwd,shadow,group,gshadow,subuid,subgid}
}

run_tests() {
	prove --timer --failures --comments --exec tests/tools/run-test.sh "${tests[@]}" 2>&1 </dev/null
}

# auto_takes - the line that all.sh looks for
auto_takes() {
	echo "Linux $(uname -r), $(uname -v | grep -o 'Debian [^ ]*'): $("$PORTSHUNT" doctor | tail -n 1)"
}

mounts
modules
accounts
ip link set lo up
hostname guest
ulimit -Hn 1048576
cd "$root" || exit
stty -F /dev/ttyS1 -opost
{ auto_takes; run_tests; } | cat >/dev/ttyS1
status=$?
# a byte written to the port of isa-debug-exit ends qemu
printf "\\x$((10 + (status > 0)))" | dd of=/dev/port bs=1 seek=$((0x501)) conv=notrunc 2>/dev/null
