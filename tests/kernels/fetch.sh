#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fetches a kernel that Debian ships, unpacks it, and prints the directory that it is in.
#
# fetch.sh KERNEL	6.1 or 6.12 or 7.2.12 ...: the newest that begins so, of Debian 12,
#			Debian 13 and its backports; newest: the newest of these
#
#	KERNEL_DEB	instead: the packages of a kernel as files, separated by spaces
#	KERNEL_CACHE	where packages and what is unpacked of them are kept, $O/kernels
#	KERNEL_MIRROR	Debian's mirror, instead of the one among the machine's apt sources
#
# apt gets a configuration of its own in the cache: the machine's sources, lists and packages
# are not touched. Several may run at once with the same cache.
set -euo pipefail

mkdir -p "${KERNEL_CACHE:=${O:-build}/kernels}"
cache=$(realpath "$KERNEL_CACHE")
apt=$cache/apt

give_up() {
	echo "$*" >&2
	exit 1
}

# die CAUSE
die() {
	give_up "cannot fetch kernel $kernel: $*; KERNEL_DEB=FILE does without"
}

# apt_targets - the machine's own sources: address and suite, one a line.
apt_targets() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u
}

# apt_sources - Debian's suites that have the kernels, at the mirror that the machine uses.
apt_sources() {
	local mirror security keyring option

	mirror=${KERNEL_MIRROR:-$(apt_targets |
		sed -nE 's/ (bookworm|trixie|forky|sid|stable|testing|unstable)$//p' | head -n 1)}
	[ -n "$mirror" ] || die "apt's sources name no mirror of Debian; KERNEL_MIRROR=URI names one"
	security=$(apt_targets | sed -nE 's/ [a-z]+-security$//p' | head -n 1)
	keyring=$(compgen -G '/usr/share/keyrings/debian-archive-keyring.[gp][pg][gp]' | head -n 1)
	[ -n "$keyring" ] || die "Debian's keys are missing; install debian-archive-keyring"
	option="[arch=amd64 signed-by=$keyring]"
	printf "deb $option $mirror %s main\n" bookworm trixie trixie-backports
	[ -z "$security" ] || printf "deb $option $security %s main\n" {bookworm,trixie}-security
}

# apt_own get|cache ARGUMENT... - apt with the configuration of its own. As root it does not
# become _apt, which need not be able to write to the cache.
apt_own() {
	"apt-$1" -q=2 -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State="$apt/state" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root "${@:2}"
}

# cause - of what failed, by apt's own words
cause() {
	sed -n 's/^E: //p' "$apt/log" | head -n 1
}

# apt_update - the lists of what there is now.
apt_update() {
	local sources

	echo "  GET  the lists of Debian's kernels" >&2
	mkdir -p "$apt"/{state/lists,cache/archives}/partial
	sources=$(apt_sources)
	echo "$sources" >"$apt/sources.list"
	apt_own get update -o APT::Update::Error-Mode=any >"$apt/log" 2>&1 ||
		die "apt-get update: $(cause)"
	touch "$apt/updated"
}

# package_name - the newest linux-image-* that $kernel stands for, of a generic kernel.
package_name() {
	local begin=

	[ "$kernel" = newest ] || begin=${kernel//./\\.}'[.+-]'
	apt_own cache search --names-only "^linux-image-${begin}[0-9.]*.*-amd64\$" |
		sed -nE 's/^(linux-image-[0-9][^ ]*) .*/\1/p' | grep -vE -- '-(rt|cloud)-' |
		sort -V | tail -n 1
}

# packages_of PACKAGE - itself, and where the kernel and its modules are since 7.x.
packages_of() {
	echo "$1"
	apt_own cache depends "$1" | sed -nE 's/^ *Depends: (linux-(binary|modules)-[^ ]*)$/\1/p'
}

# download - sets $debs to the files of the packages; fails when apt's lists are out of date.
download() {
	local package names name deb

	package=$(package_name)
	[ -n "$package" ] || { echo "E: neither Debian 12, 13 nor its backports have it" >"$apt/log"; return 1; }
	names=$(packages_of "$package")
	debs=()
	for name in $names; do
		deb=$(compgen -G "$cache/${name}_*.deb" | sort -V | tail -n 1) || true
		if [ -z "$deb" ]; then
			echo "  GET  $name" >&2
			(cd "$apt/cache" && apt_own get download "$name") >"$apt/log" 2>&1 || return 1
			mv "$apt/cache/${name}"_*.deb "$cache/"
			deb=$(compgen -G "$cache/${name}_*.deb" | sort -V | tail -n 1)
		fi
		debs+=("$deb")
	done
}

# find_debs - sets $debs to the package files of the kernel.
find_debs() {
	local deb

	if [ -n "${KERNEL_DEB:-}" ]; then
		debs=($KERNEL_DEB)
		for deb in "${debs[@]}"; do
			[ -r "$deb" ] || give_up "cannot read the kernel package: KERNEL_DEB: $deb"
		done
		return
	fi
	command -v apt-get >/dev/null || die "apt-get is missing"
	if [ -n "$(find "$apt/updated" -mtime -1 2>/dev/null)" ] && download; then
		return
	fi
	apt_update
	download || die "$(cause)"
}

# unpack - the packages $debs; prints where.
unpack() {
	local tree=$cache/$(basename "${debs[0]}" .deb) deb version

	if [ ! -e "$tree/ready" ]; then
		rm -rf "$tree"
		for deb in "${debs[@]}"; do
			echo "  DEB  $(basename "$deb")" >&2
			dpkg-deb -x "$deb" "$tree"
		done
		# where the distribution has merged /usr
		[ -d "$tree/lib/modules" ] || ln -s usr/lib "$tree/lib"
		version=$(ls "$tree/lib/modules" 2>/dev/null) && [ -d "$tree/lib/modules/$version/kernel" ] ||
			give_up "cannot unpack a kernel: ${debs[*]}: no modules in there"
		mkdir -p "$tree/boot"
		# where it is since 7.x
		[ ! -e "$tree/lib/modules/$version/vmlinuz" ] ||
			ln -sf "../lib/modules/$version/vmlinuz" "$tree/boot/vmlinuz-$version"
		[ -r "$tree/boot/vmlinuz-$version" ] ||
			give_up "cannot unpack a kernel: ${debs[*]}: no vmlinuz in there"
		busybox depmod -b "$tree" "$version"
		touch "$tree/ready"
	fi
	echo "$tree"
}

kernel=${1:-newest}
exec 9>"$cache/lock"
flock 9
find_debs
unpack
