#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs tests under another kernel than the running one: in qemu, which needs neither root nor
# KVM. The guest has this machine's files as its root, what it writes to them stays in its
# memory; so it finds bats, slirp4netns, the build tree and this source tree where they are.
#
# run.sh TEST...      the tests' paths, as for prove
#
#	KERNEL		which of Debian's kernels, see fetch.sh, which looks at KERNEL_DEB,
#			KERNEL_CACHE and KERNEL_MIRROR too
#	GUEST_SECONDS	how long the guest may run
#
# The guest shows what prove says on its second serial port, our stdout; the first is the
# kernel's console, in $O/kernels/guest-VERSION/console.log, the tail of which is shown when the
# guest ends otherwise than by itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

# What qemu makes of the byte that guest.sh writes to isa-debug-exit, see there.
GUEST_SECONDS=${GUEST_SECONDS:-2400}
passed=$((0x10 << 1 | 1)) failed=$((0x11 << 1 | 1))

die() {
	echo "check-kernels: $*" >&2
	exit 1
}

need_tools() {
	local tool

	for tool in qemu-system-x86_64 busybox dpkg-deb; do
		command -v $tool >/dev/null || die "$tool is missing: sudo tests/tools/deps.sh kernels"
	done
}

# shunt_expected - is `auto` the shunt there? On 6.12 since FIONREAD is right again; those that
# have it wrong are between 6.13 and 7.1 too.
shunt_expected() {
	local major minor patch

	IFS='.+-' read -r major minor patch _ <<<"$version"
	case $major.$minor in
	6.1) true ;;
	6.12) [ "$patch" -ge 117 ] ;;
	*) [ $((major * 1000 + minor)) -ge 7002 ] ;;
	esac
}

# tests_for_kernel TEST... - sets $tests to those that say something of this kernel: debian_*
# expect that `auto` is the shunt.
tests_for_kernel() {
	local test

	tests=()
	for test; do
		if [[ $test == */debian_* ]] && ! shunt_expected; then
			echo "  OUT  $test: the kernel is $version"
		else
			tests+=("$test")
		fi
	done
}

# settings - the environment of the guest: what the tests and prove look at.
settings() {
	local name

	for name in $(compgen -e | grep -xE 'PORTSHUNT|PEER|TWIN|WAYS_TOOL|ASKER|O|STRICT|SAN|V|BPF'); do
		printf 'export %s=%q\n' "$name" "${!name}"
	done
	printf 'root=%q\n' "$PWD"
	printf 'modules=%q\n' "$tree/lib/modules"
	printf 'tests=(%s)\n' "$(printf '%q ' "$@")"
}

# initramfs TEST... - busybox, and the modules without which the guest has no root.
initramfs() {
	local dir=$guest/initramfs base=$tree/lib/modules/$version module file

	rm -rf "$dir"
	mkdir -p "$dir"/{bin,dev,proc,sys,lower,upper,root,modules}
	for file in $(type -P busybox) $(ldd "$(type -P busybox)" 2>/dev/null | grep -o '/[^ ]*'); do
		install -D "$file" "$dir/$file"
	done
	install "$(type -P busybox)" "$dir/bin/busybox"
	install tests/kernels/init.sh "$dir/init"
	settings "$@" >"$dir/settings"
	for module in virtio_pci 9pnet_virtio 9p overlay; do
		sed -n "s,^\(.*/$module\.ko[a-z.]*\):\(.*\),\1 \2,p" "$base/modules.dep"
	done | awk '{ for (i = NF; i; i--) if (!seen[$i]++) print $i }' |
		while read -r file; do
			cp "$base/$file" "$dir/modules/"
			echo "${file##*/}"
		done >"$dir/modules/order"
	(cd "$dir" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$guest/initramfs.cpio"
}

# guest - a single CPU, since two that emulate each other's interrupts and locks are slower than
# one as soon as the machine has other work. norandmaps: code at the same addresses in every
# process needs to be translated only once. tsc=reliable: the other clocks are emulated devices.
guest() {
	rm -f "$guest/console.log"
	timeout --foreground -k 10 "$GUEST_SECONDS" qemu-system-x86_64 -nodefaults \
		-no-reboot -display none -accel tcg -m 2048 \
		-kernel "$tree/boot/vmlinuz-$version" -initrd "$guest/initramfs.cpio" \
		-append "console=ttyS0 quiet loglevel=5 panic=-1 nowatchdog $fast" \
		-serial "file:$guest/console.log" -chardev stdio,id=tap,signal=on -serial chardev:tap \
		-device isa-debug-exit -virtfs \
		local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap
}

fast="mitigations=off norandmaps tsc=reliable rcupdate.rcu_expedited=1"
need_tools
tree=$(tests/kernels/fetch.sh "${KERNEL:-6.1}")
version=$(ls "$tree/lib/modules")
guest=$(realpath -m "${O:-build}")/kernels/guest-$version
mkdir -p "$guest"
tests_for_kernel "$@"
initramfs "${tests[@]}"
echo "  QEMU $(basename "$tree")"
status=0
guest </dev/null || status=$?
[ $status != $passed ] || exit 0
[ $status != $failed ] || exit 1
tail -n 40 "$guest/console.log" >&2 || true
[ $status != 124 ] || die "the guest was ended after ${GUEST_SECONDS} s"
die "the guest did not end by itself, qemu's status is $status"
