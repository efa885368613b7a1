#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs tests under another kernel than the running one: in qemu, which needs neither root nor
# KVM. The guest has this machine's files as its root, what it writes to them stays in its
# memory; so it finds bats, slirp4netns, the build tree and this source tree where they are.
#
# run.sh TEST...      the tests' paths, as for prove
#
#	KERNEL_PACKAGE	a Debian package with a kernel; without it the one that the package
#			linux-image-amd64 stands for, which is fetched with apt-get
#	KERNEL_DEB	such a package as a file
#	GUEST_SECONDS	how long the guest may run
#
# The guest shows what prove says on its second serial port, our stdout; the first is the
# kernel's console, in $O/kernels/console.log, the tail of which is shown when the guest ends
# otherwise than by itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath -m "${O:-build}")/kernels

# What qemu makes of the byte that guest.sh writes to isa-debug-exit, see there.
GUEST_SECONDS=${GUEST_SECONDS:-1800}
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

# kernel_package - the name of the package to fetch; nothing when apt has no lists.
kernel_package() {
	if [ -n "${KERNEL_PACKAGE:-}" ]; then
		echo "$KERNEL_PACKAGE"
	else
		apt-cache depends linux-image-amd64 2>&1 |
			sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p'
	fi
}

# kernel_fetch - fails when apt's lists are missing, or name what is no longer there.
kernel_fetch() {
	package=$(kernel_package)
	[ -n "$package" ] || { echo "apt knows no linux-image-amd64"; return 1; }
	deb=$(compgen -G "$build/${package}_*.deb" | tail -n 1)
	[ -z "$deb" ] || return 0
	echo "  GET  $package" >&3
	(cd "$build" && apt-get -q=2 download "$package") || return
	deb=$(compgen -G "$build/${package}_*.deb" | tail -n 1)
}

# kernel_deb - sets $deb to the package file.
kernel_deb() {
	deb=${KERNEL_DEB:-}
	[ -z "$deb" ] || return 0
	{ kernel_fetch || { apt-get -q=2 update && kernel_fetch; }; } 3>&1 >"$build/apt.log" 2>&1 ||
		die "no kernel: $(tail -n 1 "$build/apt.log"); KERNEL_DEB=FILE does without apt"
}

# kernel_unpack - sets $tree to where $deb is unpacked, $version to the kernel's.
kernel_unpack() {
	tree=$build/$(basename "$deb" .deb)
	if [ ! -e "$tree/ready" ]; then
		echo "  DEB  $(basename "$deb")"
		rm -rf "$tree"
		dpkg-deb -x "$deb" "$tree"
		# where the distribution has merged /usr
		[ -d "$tree/lib/modules" ] || ln -s usr/lib "$tree/lib"
		version=$(ls "$tree/lib/modules")
		busybox depmod -b "$tree" "$version"
		touch "$tree/ready"
	fi
	version=$(ls "$tree/lib/modules")
}

# tests_for_kernel TEST... - sets $tests to those that say something of this kernel: what
# debian_* expect is true of Debian 12's.
tests_for_kernel() {
	local test

	tests=()
	for test; do
		if [[ $test == */debian_* && $version != 6.1.* ]]; then
			echo "  OUT  $test: the kernel is $version"
		else
			tests+=("$test")
		fi
	done
}

# settings - the environment of the guest: what the tests and prove look at.
settings() {
	local name

	for name in $(compgen -e | grep -xE 'PORTSHUNT|PEER|TWIN|O|STRICT|SAN|V|BPF'); do
		printf 'export %s=%q\n' "$name" "${!name}"
	done
	printf 'root=%q\n' "$PWD"
	printf 'modules=%q\n' "$tree/lib/modules"
	printf 'tests=(%s)\n' "$(printf '%q ' "$@")"
}

# initramfs TEST... - busybox, and the modules without which the guest has no root.
initramfs() {
	local dir=$build/initramfs base=$tree/lib/modules/$version module file

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
	(cd "$dir" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$build/initramfs.cpio"
}

# guest - a single CPU, since two that emulate each other's interrupts and locks are slower than
# one as soon as the machine has other work. norandmaps: code at the same addresses in every
# process needs to be translated only once. tsc=reliable: the other clocks are emulated devices.
guest() {
	rm -f "$build/console.log"
	timeout --foreground -k 10 "$GUEST_SECONDS" qemu-system-x86_64 -nodefaults \
		-no-reboot -display none -accel tcg -m 2048 \
		-kernel "$tree/boot/vmlinuz-$version" -initrd "$build/initramfs.cpio" \
		-append "console=ttyS0 quiet loglevel=5 panic=-1 nowatchdog $fast" \
		-serial "file:$build/console.log" -chardev stdio,id=tap,signal=on -serial chardev:tap \
		-device isa-debug-exit -virtfs \
		local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap
}

fast="mitigations=off norandmaps tsc=reliable rcupdate.rcu_expedited=1"
need_tools
mkdir -p "$build"
kernel_deb
kernel_unpack
tests_for_kernel "$@"
initramfs "${tests[@]}"
echo "  QEMU $(basename "$deb" .deb)"
status=0
guest </dev/null || status=$?
[ $status != $passed ] || exit 0
[ $status != $failed ] || exit 1
tail -n 40 "$build/console.log" >&2 || true
[ $status != 124 ] || die "the guest was ended after ${GUEST_SECONDS} s"
die "the guest did not end by itself, qemu's status is $status"
