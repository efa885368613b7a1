# SPDX-License-Identifier: Apache-2.0
# The way out of portshunt run: names, servers on the host, resolv.conf.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# on_a_host SCRIPT - a host of its own, for what is to be done to one: a network, a mount
# namespace, and in it $dir/resolv.conf as /etc/resolv.conf. As root, or as root of a user
# namespace.
on_a_host() {
	local user=()

	[ "$(id -u)" = 0 ] || user=(--map-root-user)
	[ -e "$dir/resolv.conf" ] || echo "nameserver 127.0.0.1" >"$dir/resolv.conf"
	unshare "${user[@]}" --net --mount sh -ec "
		ip link set lo up
		mount --bind '$dir/resolv.conf' /etc/resolv.conf
		$1" 3>&-
}

# A name server for one name, on 127.0.0.1:53.
name_server() {
	cat >"$dir/names" <<-'END'
		use IO::Socket::INET;
		$s = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.0.0.1:53") or die $@;
		open my $ready, ">", $ARGV[0];
		close $ready;
		while ($s->recv(my $query, 512)) {
			my ($id, undef, $question) = unpack "n a10 a*", $query;
			my ($name, $type) = $question =~ /^((?:[\x01-\x3f].*?)\0)(..)/s;
			my $known = lc $name eq "\4host\6pstest\0" && $type eq "\0\1";
			$s->send(pack("n n n n n n", $id, 0x8580 | ($known ? 0 : 3), 1, $known, 0, 0) .
				"$name$type\0\1" . ($known ? "$name$type\0\1\0\0\0\x3c\0\4\xcb\0\x71\7" : ""));
		}
	END
	mkfifo "$dir/names-ready"
	serve_names="perl $dir/names $dir/names-ready & server=\$!
		trap 'kill \$server' EXIT
		cat $dir/names-ready"
}

@test "a name resolves through slirp4netns and the host's name server" {
	name_server
	run -0 on_a_host "$serve_names
		$PORTSHUNT run --log-level warn -- getent ahostsv4 host.pstest
		! $PORTSHUNT run --log-level warn -- getent ahostsv4 other.pstest"
	[[ ${lines[0]} =~ ^203\.0\.113\.7\  ]]
	all_gone
}

@test "resolv.conf names slirp4netns, keeps the rest, is for everybody; the host's is untouched" {
	printf '# mine\nnameserver 127.0.0.1\nnameserver 9.9.9.9\nsearch a.example b.example\noptions ndots:3' \
		>"$dir/resolv.conf"
	cp "$dir/resolv.conf" "$dir/before"
	run -0 on_a_host "umask 077
		$PORTSHUNT run --log-level warn -- cat /etc/resolv.conf
		$PORTSHUNT run --log-level warn -- stat -c %a /etc/resolv.conf"
	[ "$output" = "search a.example b.example
options ndots:3
nameserver 10.0.2.3
644" ]
	cmp "$dir/resolv.conf" "$dir/before"
}

@test "COMMAND may write its resolv.conf, and only its own" {
	run -0 on_a_host "
		$PORTSHUNT run --log-level warn -- sh -c 'echo changed >/etc/resolv.conf; cat /etc/resolv.conf'
		cat /etc/resolv.conf"
	[ "$output" = $'changed\nnameserver 127.0.0.1' ]
}

@test "/etc/resolv.conf is a link: the file that it leads to is covered" {
	mkdir "$dir/etc"
	cp /etc/passwd /etc/group /etc/nsswitch.conf "$dir/etc"
	ln -s ../run/pstest/resolv.conf "$dir/etc/resolv.conf"
	run -0 on_a_host "umount /etc/resolv.conf
		mount --bind $dir/etc /etc
		mount -t tmpfs none /run
		mkdir /run/pstest
		echo 'nameserver 127.0.0.1' >/run/pstest/resolv.conf
		$PORTSHUNT run --log-level warn -- sh -c 'readlink /etc/resolv.conf; cat /etc/resolv.conf'
		cat /run/pstest/resolv.conf
		rm /run/pstest/resolv.conf
		$PORTSHUNT run --log-level warn -- echo dangling
		rm /etc/resolv.conf
		$PORTSHUNT run --log-level warn -- echo missing
		ls -A /etc /run/pstest"
	[ "$output" = "../run/pstest/resolv.conf
nameserver 10.0.2.3
nameserver 127.0.0.1
portshunt: warning: /etc/resolv.conf: no such file or directory: names may not resolve inside
dangling
portshunt: warning: /etc/resolv.conf: no such file or directory: names may not resolve inside
missing
/etc:
group
nsswitch.conf
passwd

/run/pstest:" ]
}

@test "--network none leaves resolv.conf alone" {
	run -0 on_a_host "$PORTSHUNT run --log-level warn --network none -- cat /etc/resolv.conf"
	[ "$output" = "nameserver 127.0.0.1" ]
}

# fetch_from_host OPTIONS ADDR - by COMMAND
fetch_from_host() {
	"${wrap[@]}" "$PORTSHUNT" run --log-level warn --network "slirp4netns${1:+:$1}" -- \
		timeout 5 busybox wget -q -O - "http://$2/" 3>&- 2>&1
}

reaches_the_host() {
	free_port
	httpd "127.0.0.1:$port"
	[ "$(fetch_from_host allow_host_loopback=true "10.0.2.2:$port")" = "a page" ]
	not fetch_from_host "" "10.0.2.2:$port"
	not fetch_from_host allow_host_loopback=false "10.0.2.2:$port"
	not fetch_from_host allow_host_loopback=true "127.0.0.1:$port"
}

@test "a server on the host's loopback: by 10.0.2.2, if it is allowed" {
	reaches_the_host
}

@test "a server on the host's loopback, as an ordinary user" {
	as user
	reaches_the_host
}

@test "a server on the host's loopback over IPv6, if it is allowed" {
	has_ipv6 || skip "this host has no IPv6"
	free_port
	httpd "[::1]:$port"
	# COMMAND is started without an IPv6 address when that takes longer than 500 ms
	fetched() { [ "$(fetch_from_host allow_host_loopback=true "[fd00::2]:$port")" = "a page" ]; }
	eventually 5 fetched
	not fetch_from_host allow_host_loopback=true,enable_ipv6=false "[fd00::2]:$port"
}
