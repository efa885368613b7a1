#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages of portshunt, in one place, and their installation.
#
# deps.sh GROUP...   installs what is missing of these groups, when it is root; else it
#                    prints the one line that does, and fails only where nothing can be
#                    built without it. Silent when nothing is missing. What the server-* groups
#                    have and this release of Debian has not is named, and left out.
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
	[test]="apparmor bats iproute2 libcmocka-dev perl procps strace systemd tftp-hpa tftpd-hpa util-linux"
	[server-apache]="apache2 curl nghttp2-client wrk"
	[server-caddy]="caddy wrk"
	[server-go]="curl golang-go nghttp2-client openssl wrk"
	[server-grpc]="python3-grpcio"
	[server-haproxy]="curl haproxy nghttp2-client nginx-light openssl wrk"
	[server-iperf3]="iperf3"
	[server-java]="default-jdk-headless tomcat10-common wrk"
	[server-lighttpd]="lighttpd wrk"
	[server-mariadb]="mariadb-server sysbench"
	[server-memcached]="libmemcached-tools memcached"
	[server-mosquitto]="mosquitto mosquitto-clients"
	[server-nginx]="apache2-utils curl nghttp2-client nginx-light openssl wrk"
	[server-node]="curl nodejs openssl wrk"
	[server-postgres]="postgresql"
	[server-python]="curl gunicorn python3-aiohttp python3-uvicorn wrk"
	[server-redis]="redis-server redis-tools"
	[server-samba]="samba smbclient"
	[server-ssh]="openssh-client openssh-server rsync"
	[server-vsftpd]="curl vsftpd"
	[server-websocket]="python3-websockets"
	[docker]="busybox-static docker-cli? docker.io iptables rootlesskit slirp4netns uidmap"
	[podman]="aardvark-dns busybox-static containernetworking-plugins iptables netavark nftables passt podman runc slirp4netns uidmap"
	[install]="scdoc"
	[kernels]="busybox|busybox-static curl nginx-light qemu-system-x86"
	[fuzz]="clang libclang-rt-dev"
	[lint]="clang-tidy cppcheck"
)

installed() {
	grep -qx installed <(dpkg-query -W -f '${db:Status-Status}\n' ${1//|/ } 2>/dev/null)
}

servers=() absent=()
for group; do
	if [ -z "${packages[$group]+set}" ]; then
		names=$(printf '%s\n' "${!packages[@]}" | sort)
		[[ $group != server-* ]] || names=$(sed -n 's/^server-//p' <<<"$names")
		echo "${group#server-}: no such group; there are:" $names >&2
		exit 2
	fi
	[[ $group != server-* ]] || servers+=("${group#server-}")
done

# look GROUP... - sets missing, and needed when nothing can be built without it. With $updated,
# apt knows what there is, and what of server-* groups there is not is absent.
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
			elif installed "$package"; then
				continue
			elif [[ -n ${updated:-} && $group == server-* ]] &&
				! apt-cache show "$package" >/dev/null 2>&1; then
				absent+=("$package")
			else
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
	for group in docker podman kernels; do
		[[ " $* " != *" $group "* ]] || goal=check-$group
	done
	[ ${#servers[@]} = 0 ] || goal="check-servers SERVERS=\"${servers[*]}\""
	for group in fuzz lint; do
		[[ " $* " != *" $group "* ]] || goal=$group
	done
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
updated=1
look "$@" # a fresh machine has no lists, and knows now which packages there are
[ ${#absent[@]} = 0 ] || echo "not in this release of Debian: ${absent[*]}" >&2
[ ${#missing[@]} -gt 0 ] || exit 0
echo "  DEPS ${missing[*]}"
apt-get -q=2 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" >/dev/null
