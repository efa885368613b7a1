#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer does: take a Debian that has git, gcc and make, clone, `make demo`,
# `make check`. Run as root, by hand; it takes some minutes and needs debootstrap.
#
# fresh-machine.sh [--suite NAME] DIR [COMMAND]
#   DIR is made when it is not there, and used again when it is; NAME is the release of Debian
#   that it gets then: bookworm (12), trixie (13), sid ... COMMAND is run in the clone:
#   "make demo && make check"
#
# A chroot may not make user namespaces, so the machine is entered by pivot_root in a mount
# namespace of its own, with an ordinary user named guest in it.
set -euo pipefail

suite=bookworm
if [ "${1:-}" = --suite ]; then
	suite=${2:-} && shift $(($# < 2 ? $# : 2))
fi
[ $# -ge 1 ] && [ "$(id -u)" = 0 ] ||
	{ echo "usage, as root: $0 [--suite NAME] DIR [COMMAND]" >&2; exit 2; }
repo=$(cd "$(dirname "$0")/../.." && pwd)
root=$(realpath -m "$1")
export root repo COMMAND="${2:-make demo && make check}"

if [ ! -e "$root/usr/bin/make" ]; then
	debootstrap --variant=minbase --include=git,gcc,make "$suite" "$root"
fi
rm -rf "$root/srv/portshunt"
git clone -q "$repo" "$root/srv/portshunt"

unshare --mount --pid --uts --ipc --fork --kill-child --propagation private bash -euc '
	mount --bind "$root" "$root"
	cd "$root"
	mount -t proc proc proc
	mount --rbind /sys sys
	mount -t tmpfs -o mode=755 tmpfs dev
	mkdir -p dev/pts dev/shm dev/net old
	mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
	mount -t tmpfs tmpfs dev/shm
	ln -s pts/ptmx dev/ptmx
	ln -s /proc/self/fd dev/fd
	mknod -m 666 dev/null c 1 3
	mknod -m 666 dev/zero c 1 5
	mknod -m 666 dev/full c 1 7
	mknod -m 666 dev/random c 1 8
	mknod -m 666 dev/urandom c 1 9
	mknod -m 666 dev/tty c 5 0
	mknod -m 666 dev/net/tun c 10 200
	cp -L /etc/resolv.conf etc/resolv.conf
	pivot_root . old
	umount -l old
	rmdir old
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs -o mode=755 tmpfs /run
	id guest >/dev/null 2>&1 || useradd --create-home guest
	exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 TERM=dumb bash -ec "cd /srv/portshunt; $COMMAND"
'
