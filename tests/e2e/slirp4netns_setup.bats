# SPDX-License-Identifier: Apache-2.0
# How run and attach start slirp4netns: the words they give it, where it runs, the sysctl that
# they change for it, and the ports that it forwards by itself. Podman's way, libpod's
# networking_slirp4netns.go.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }

setup() {
	run_setup
	as root
	# tells what it is started with, then is the real one; $before is the test's own
	cat >"$dir/slirp4netns" <<-END
		#!/bin/bash
		[ "\$1" != --help ] || exec slirp4netns --help
		log=\$(readlink /proc/\$\$/fd/1) netns=
		case "\$*" in *--netns-type=path*) netns=\${*: -2:1} ;; *' tap0') netns=/proc/\${*: -2:1}/ns/net ;; esac
		{
			echo "argv \$*"
			echo "mnt \$(readlink /proc/self/ns/mnt)"
			echo "group \$((\$(ps -o pgid= -p \$\$) == \$\$))"
			echo "dad \$(nsenter --net="\$netns" cat /proc/sys/net/ipv6/conf/default/accept_dad)"
			echo "fds \$(ls /proc/self/fd | tr '\n' ' ')"
			echo "log \$log"
		} >$dir/record
		. $dir/before
		exec slirp4netns "\$@"
	END
	chmod 755 "$dir/slirp4netns"
	: >"$dir/before"
}

teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# recorded WORD - what the latest slirp4netns told of that
recorded() {
	sed -n "s/^$1 //p" "$dir/record"
}

# with OPTION... - run and attach with the slirp4netns of this test
with() {
	echo "$1" --tmpdir "$tmpdir" --id x1 --slirp4netns "$dir/slirp4netns" --network "$2" "${@:3}"
}

default_words="--disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp --enable-ipv6"

# told WORDS - it was started with these and nothing else
told() {
	[ "$(recorded argv)" = "$1" ] || {
		printf 'was told: %s\nnot:      %s\n' "$(recorded argv)" "$1"
		return 1
	}
}

accept_dad() {
	nsenter --net="$ns" cat /proc/sys/net/ipv6/conf/default/accept_dad
}

@test "the words, the process group, the mount namespace, the log, the sysctl" {
	netns_make
	portshunt_start $(with attach slirp4netns) --netns "$ns" -p 80
	told "$default_words -c -e 3 -r 4 --netns-type=path $ns tap0"
	[ "$(recorded mnt)" != "$(readlink /proc/self/ns/mnt)" ]
	[ "$(recorded group)" = 1 ]
	[ "$(recorded dad)" = 0 ]
	[[ $(recorded fds) == "0 1 2 3 4 "* ]]
	[ "$(recorded log)" = "$tmpdir/slirp4netns-x1.log (deleted)" ]
	[ "$(accept_dad)" = 1 ]
	portshunt_stop
}

@test "the words of the process-first form" {
	netns_make
	nsenter --net="$ns" sleep 60 3>&- &
	pid=$!
	ends_with_test+=($pid)
	portshunt_start $(with attach slirp4netns) --pid $pid -p 80
	told "$default_words -c -e 3 -r 4 $pid tap0"
	[ "$(recorded dad)" = 0 ]
	[ "$(accept_dad)" = 1 ]
	portshunt_stop
}

@test "the words of every option, in podman's order" {
	portshunt_start $(with run slirp4netns:mtu=1400,cidr=10.9.0.0/16,allow_host_loopback=true) \
		--network slirp4netns:outbound_addr6=::1,outbound_addr=127.0.0.1,port_handler=slirp4netns \
		--no-pivot-root -p 80 -- sleep 60
	[[ $(recorded argv) =~ --netns-type=path\ (/proc/[0-9]+/ns/net)\  ]]
	told "--mtu=1400 --enable-seccomp --cidr=10.9.0.0/16 --enable-ipv6 --outbound-addr=127.0.0.1 --outbound-addr6=::1 -c -e 3 -r 4 --api-socket $tmpdir/x1.net --netns-type=path ${BASH_REMATCH[1]} tap0"
	[ "$(recorded mnt)" = "$(readlink /proc/self/ns/mnt)" ]
	portshunt_stop
}

@test "no API socket without ports, no sysctl without IPv6" {
	netns_make
	portshunt_start $(with attach slirp4netns:port_handler=slirp4netns,enable_ipv6=false) --netns "$ns"
	told "${default_words% *} -c -e 3 -r 4 --netns-type=path $ns tap0"
	[ "$(recorded dad)" = 1 ]
	portshunt_stop
}

# fails TEXT [NETWORK [OPTION...]] - attach does, with that line, and the sysctl is as it was
fails() {
	run -125 "$PORTSHUNT" $(with attach "${2:-slirp4netns}") --netns "$ns" "${@:3}"
	[ "$output" = "portshunt: $1" ]
	[ "$(accept_dad)" = 1 ]
	all_gone
}

@test "the sysctl is put back when slirp4netns dies, and when it cannot be started" {
	netns_make
	echo 'echo boom; exit 1' >"$dir/before"
	fails "$dir/slirp4netns failed: \"boom\\n\""
	[ "$(recorded dad)" = 0 ]
	mkdir "$tmpdir/slirp4netns-x1.log"
	fails "failed to open slirp4netns log file $tmpdir/slirp4netns-x1.log: is a directory"
	rmdir "$tmpdir/slirp4netns-x1.log"
	fails "cidr not supported" slirp4netns:cidr=10.1.2.0/24 --slirp4netns /bin/true
}

@test "the sysctl is not there, or cannot be written" {
	netns_make
	wrap=(unshare -m sh -c 'mount -t tmpfs none /proc/sys/net/ipv6 && exec "$@"' -)
	portshunt_start $(with attach slirp4netns:enable_ipv6=true) --log-level warn --netns "$ns" -p 80
	portshunt_stop
	not grep -v ' -> ' "$dir/portshunt.err"
	wrap=(unshare -m sh -c 'mount --bind /proc/sys/net /proc/sys/net && mount -o remount,bind,ro /proc/sys/net && exec "$@"' -)
	portshunt_start $(with attach slirp4netns:enable_ipv6=true) --log-level warn --netns "$ns" -p 80
	portshunt_stop
	said "failed to set net.ipv6.conf.default.accept_dad sysctl: /proc/sys/net/ipv6/conf/default/accept_dad: read-only file system"
}

@test "port_handler=slirp4netns: each port of the range, each protocol" {
	free_port 6
	portshunt_start $(with run slirp4netns:port_handler=slirp4netns) \
		-p "127.0.0.1:$port-$((port + 2)):80-82/tcp,udp" -p "$((port + 4)):80" -- \
		busybox httpd -f -p 82 -h "$dir/www"
	for i in 0 1 2; do
		[ -n "$(ss -Htln "src 127.0.0.1:$((port + i))")" ]
		[ -n "$(ss -Huln "src 127.0.0.1:$((port + i))")" ]
	done
	[ -n "$(ss -Htln "src 0.0.0.0:$((port + 4))")" ]
	not listening_udp $((port + 4))
	eventually 5 page "http://127.0.0.1:$((port + 2))/"
	[ -z "$(ls -A "$tmpdir")" ]
	portshunt_stop
	not listening $((port + 2))
}

@test "port_handler=slirp4netns: a busy port, an IPv6 address, a death before the socket" {
	netns_make
	httpd_port=$((20000 + RANDOM % 10000))
	httpd "127.0.0.1:$httpd_port"
	set -- slirp4netns:port_handler=slirp4netns -p
	fails "from slirp4netns while setting up port redirection: map[desc:bad request: add_hostfwd: slirp_add_hostfwd failed]" \
		"$@" "127.0.0.1:$httpd_port:80"
	fails "cannot publish [::1]:$((httpd_port + 1)):80/tcp: port_handler=slirp4netns forwards IPv4 only" \
		"$@" "[::1]:$((httpd_port + 1)):80"
	# not before the byte is read and the pipe is closed: a death that is seen first is told otherwise
	taken='trap "" PIPE; while printf 1 >&4; do sleep 0.01; done 2>/dev/null'
	echo "$taken; exit 7" >"$dir/before"
	fails "waiting for slirp4nets to create the api socket file $tmpdir/x1.net: slirp4netns exited with status 7" \
		"$@" "$((httpd_port + 1)):80"
	echo "$taken; kill -KILL \$\$" >"$dir/before"
	fails "waiting for slirp4nets to create the api socket file $tmpdir/x1.net: slirp4netns killed by signal 9" \
		"$@" "$((httpd_port + 1)):80"
}

# old_slirp4netns OPTION... - $dir/old, whose --help lacks these; else the one of this test
old_slirp4netns() {
	cat >"$dir/old" <<-END
		#!/bin/bash
		[ "\$1" != --help ] || { slirp4netns --help | sed 's/$1//g; s/${2:-$1}//g'; exit; }
		exec "$dir/slirp4netns" "\$@"
	END
	chmod 755 "$dir/old"
}

# old_runs [OPTION...] - sets $output to the warnings
old_runs() {
	output=$("$PORTSHUNT" run --slirp4netns "$dir/old" --tmpdir "$tmpdir" --log-level warn "$@" \
		-- true 2>&1)
}

@test "a slirp4netns without what keeps it in: one warning that says what is missing" {
	local loopback="the container reaches services of the host's 127.0.0.1"
	local files="slirp4netns itself can reach the host's files"

	old_slirp4netns --disable-host-loopback --enable-sandbox
	old_runs
	[ "$output" = "portshunt: warning: $dir/old is too old for --disable-host-loopback and --enable-sandbox: $loopback, and $files; install a newer slirp4netns" ]
	old_slirp4netns --disable-host-loopback
	old_runs
	[ "$output" = "portshunt: warning: $dir/old is too old for --disable-host-loopback: $loopback; install a newer slirp4netns" ]
	old_slirp4netns --enable-sandbox
	old_runs
	[ "$output" = "portshunt: warning: $dir/old is too old for --enable-sandbox: ${files/ itself/}; install a newer slirp4netns" ]
	# neither is wanted
	old_slirp4netns --disable-host-loopback --enable-sandbox
	old_runs --no-pivot-root --network slirp4netns:allow_host_loopback=true
	[ -z "$output" ]
	[[ $(recorded argv) != *--disable-host-loopback* && $(recorded argv) != *--enable-sandbox* ]]
}

@test "without a directory of its own, a user gets a new one in /tmp, which does not stay" {
	as user
	# the API socket is named in the arguments
	cat >"$dir/before" <<-'END'
		api=$*
		api=${api##*--api-socket }
		stat -c %a "$(dirname "${api%% *}")" >>"${BASH_SOURCE%/before}/record"
		dirname "${api%% *}" >>"${BASH_SOURCE%/before}/record"
	END
	: >"$dir/record"
	chmod 666 "$dir/record"
	wrap+=(env -u XDG_RUNTIME_DIR)
	for handler in slirp4netns rootlesskit; do
		free_port
		portshunt_start run --slirp4netns "$dir/slirp4netns" --log-level warn \
			--network "slirp4netns:port_handler=$handler" -p "$port:80" -- \
			busybox httpd -f -p 80 -h "$dir/www"
		eventually 5 page "http://127.0.0.1:$port/"
		if [ $handler = slirp4netns ]; then
			made=$(tail -1 "$dir/record")
			[[ $made =~ ^/tmp/portshunt-[A-Za-z0-9]{6}$ ]]
			[ "$(tail -2 "$dir/record" | head -1)" = 700 ]
			[ ! -e "$made" ]
		fi
		[ -z "$(find /tmp -maxdepth 1 -user pstest -name 'portshunt-*')" ]
		portshunt_stop
	done
	# a start that fails
	run -125 "${wrap[@]}" "$PORTSHUNT" run --slirp4netns /bin/false -- true
	[ -z "$(find /tmp -maxdepth 1 -user pstest -name 'portshunt-*')" ]
}

@test "without /dev/net/tun: one line that says what to do" {
	need_root
	run unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec "$@"' - \
		"$PORTSHUNT" run --tmpdir "$tmpdir" true
	[ "$status" = 125 ]
	[ "$output" = "portshunt: slirp4netns needs /dev/net/tun (as root: modprobe tun; chmod 666 /dev/net/tun; or use --network none): no such file or directory" ]
}
