#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of the guest: makes the host's / with a tmpfs over it the root, and leaves
# for guest.sh there. run.sh puts it in the initramfs, with the modules that it takes.
set -e
busybox=/bin/busybox

$busybox mount -t devtmpfs dev /dev
exec >/dev/console 2>&1 </dev/console
while read -r module; do
	$busybox insmod "/modules/$module"
done </modules/order
$busybox mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=512000 host /lower
$busybox mount -t tmpfs -o size=75% tmpfs /upper
$busybox mkdir /upper/files /upper/work
$busybox mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /root
$busybox mount -t tmpfs -o mode=755 tmpfs /root/run
$busybox mkdir /root/run/kernels
$busybox cp /settings /root/run/kernels/settings
$busybox mount --move /dev /root/dev
root=$($busybox sed -n 's/^root=//p' /settings)
exec $busybox switch_root /root /bin/bash "$root/tests/kernels/guest.sh"
