#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: portshunt in half a minute, on this host, as root or as an ordinary user.
#
# A web server starts in a new network namespace with a port published on the host; its
# page is fetched over IPv4 and IPv6, and from inside a server of the host is reached
# through slirp4netns. Needs no internet and no fixed port. Fails when any step fails.
set -euo pipefail

portshunt=${PORTSHUNT:-build/portshunt}
run_pid='' host_pid='' dir=$(mktemp -d)

cleanup() {
	[ -z "$run_pid" ] || kill "$run_pid" 2>/dev/null || true
	[ -z "$host_pid" ] || kill "$host_pid" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() {
	printf '\n== %s\n' "$*"
}

fail() {
	printf 'demo failed: %s\n' "$*" >&2
	[ ! -s "$dir/log" ] || sed 's/^/    /' "$dir/log" >&2
	exit 1
}

# until_true COMMAND... - try for ten seconds.
until_true() {
	local end=$((SECONDS + 10))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# listening PID - sets port to the TCP port that the process listens on.
listening() {
	local inodes

	inodes=$(readlink "/proc/$1/fd/"* 2>/dev/null | sed -n 's/^socket:\[\(.*\)\]$/ \1 /p')
	port=$(grep -hF "${inodes:-none}" "/proc/$1/net/tcp" | awk '$4 == "0A" { print substr($2, 10) }')
	[ -n "$port" ] && port=$((16#$port))
}

fetch() {
	page=$(timeout 5 busybox wget -q -O - "$1" 2>/dev/null)
}

command -v busybox >/dev/null || fail "busybox is not installed: sudo make deps"
mkdir "$dir/outside" "$dir/inside"
echo "Hello from the host." >"$dir/outside/index.html"

busybox httpd -f -p 127.0.0.1:0 -h "$dir/outside" &
host_pid=$!
until_true listening "$host_pid" || fail "the server on the host does not listen"
host_port=$port

say "$("$portshunt" --version), as $(id -un)"
say "on the host, only on 127.0.0.1: busybox httpd, port $host_port"
cat >"$dir/container" <<END
page=\$(busybox wget -q -O - http://10.0.2.2:$host_port/) || exit 1
echo "Hello from pid \$\$ of a new namespace, where the host said: \$page" >$dir/inside/index.html
exec busybox httpd -f -p 80 -h $dir/inside
END

say "portshunt run --network slirp4netns:allow_host_loopback=true -p 80 -- sh container"
sed 's/^/    container: /' "$dir/container"
mkfifo "$dir/ready"
"$portshunt" run --network slirp4netns:allow_host_loopback=true --log-level info \
	--ready-fd 3 -p 80 -- sh "$dir/container" 3>"$dir/ready" 2>"$dir/log" &
run_pid=$!
[ "$(head -c 1 "$dir/ready")" = 1 ] || fail "portshunt did not become ready"
sed 's/^/    /' "$dir/log"
port=$(sed -n 's/.*80\/tcp -> .*:\([0-9]*\)$/\1/p' "$dir/log")
[ -n "$port" ] || fail "portshunt did not say which port it published"

say "fetched over IPv4: http://127.0.0.1:$port/"
until_true fetch "http://127.0.0.1:$port/" || fail "no page over IPv4"
echo "    $page"
case $page in
*"Hello from the host.") ;;
*) fail "the page does not have what the host's server said" ;;
esac

published=IPv4
if grep -qs ' lo$' /proc/net/if_inet6; then
	published="IPv4 and IPv6"
	say "fetched over IPv6: http://[::1]:$port/"
	fetch "http://[::1]:$port/" || fail "no page over IPv6"
	echo "    $page"
else
	say "this host has no IPv6: not fetched over IPv6"
fi

say "portshunt ends, and what it made is gone"
children=$(<"/proc/$run_pid/task/$run_pid/children")
kill "$run_pid"
wait "$run_pid" 2>/dev/null || true
run_pid=
for pid in $children; do
	[ ! -e "/proc/$pid" ] || fail "process $pid is still there"
done
if fetch "http://127.0.0.1:$port/"; then fail "port $port still answers"; fi

datapath=$(grep -owE 'shunt|sockmap|splice' "$dir/log" | head -1)
[ -n "$datapath" ] || fail "portshunt did not say which datapath ran"
say "all done: published over $published, outbound through 10.0.2.2; datapath $datapath"
