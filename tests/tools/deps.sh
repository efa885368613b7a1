#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages of portshunt, in one place, and their installation.
#
# deps.sh GROUP...   installs what is missing of these groups, when it is root; else it
#                    prints the one line that does, and fails only where nothing can be
#                    built without it. Silent when nothing is missing.
set -euo pipefail

# make BPF=0 does without these
bpf="clang bpftool libbpf-dev"
[ "${BPF:-1}" != 0 ] || bpf=

# "a|b": either will do, a is installed. "a?": where this release of Debian has it: the command
# docker, for one, is in docker.io up to Debian 12 and in docker-cli after that.
declare -A packages=(
	[build]="gcc make libc6-dev libjson-c-dev libcap-ng-dev libseccomp-dev $bpf"
	[run]="slirp4netns uidmap"
	[demo]="busybox|busybox-static"
	[test]="bats iproute2 libcmocka-dev perl procps util-linux"
	[servers]="apache2-utils curl nginx-light openssl postgresql redis-server redis-tools wrk"
	[docker]="busybox-static docker-cli? docker.io iptables rootlesskit slirp4netns uidmap"
	[podman]="aardvark-dns busybox-static containernetworking-plugins iptables netavark nftables passt podman runc slirp4netns uidmap"
	[install]="scdoc"
	[kernels]="busybox|busybox-static curl nginx-light qemu-system-x86"
	[fuzz]="clang libclang-rt-dev"
)

installed() {
	grep -qx installed <(dpkg-query -W -f '${db:Status-Status}\n' ${1//|/ } 2>/dev/null)
}

# look GROUP... - sets missing, and needed when nothing can be built without it
look() {
	local group package

	missing=() needed=no
	for group; do
		for package in ${packages[$group]}; do
			if [[ $package == *\? ]]; then
				package=${package%\?}
				apt-cache show "$package" >/dev/null 2>&1 || continue
			fi
			if ! command -v dpkg-query >/dev/null; then
				missing+=("${package%|*}")
			elif ! installed "$package"; then
				missing+=("${package%|*}")
				[[ $group != build && $package != *-dev ]] || needed=yes
			fi
		done
	done
}

look "$@"
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "not a Debian system: please have the equivalents of ${missing[*]}" >&2
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	goal=deps
	for group in servers docker podman kernels; do
		[[ " $* " != *" $group "* ]] || goal=check-$group
	done
	[[ " $* " != *" fuzz "* ]] || goal=fuzz
	[ "${BPF:-1}" != 0 ] || goal="BPF=0 $goal"
	echo "not installed: ${missing[*]}; install with: sudo make $goal" >&2
	[ $needed = no ]
	exit
fi
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	# the tests run these servers themselves, none is to start because it is installed
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
apt-get -q=2 update
look "$@" # a fresh machine has no lists, and knows now which packages there are
echo "  DEPS ${missing[*]}"
apt-get -q=2 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" >/dev/null
