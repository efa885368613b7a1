# SPDX-License-Identifier: Apache-2.0
# portshunt run publishes ports: which, where, since when.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

serves_a_page() {
	portshunt_start run --tmpdir "$tmpdir" -p 80 -p 127.0.0.1::81 -- \
		sh -c "busybox httpd -p 80 -h $dir/www; exec busybox httpd -f -p 81 -h $dir/www"
	published 81
	eventually 5 page "http://127.0.0.1:$port/"
	not page "http://[::1]:$port/"
	published 80
	pages "$port"
	portshunt_stop TERM
	[ "$status" = 143 ]
	all_gone
}

@test "a page, over IPv4 and IPv6" {
	serves_a_page
}

@test "a page, as an ordinary user" {
	as user
	serves_a_page
}

@test "a page with --network none: the container's loopback" {
	portshunt_start run --network none -p 80 -- busybox httpd -f -p 127.0.0.1:80 -h "$dir/www"
	published 80
	eventually 5 pages "$port"
}

@test "--child-ip once a family: clients stay in theirs" {
	has_ipv6 || skip "this host has no IPv6"
	echo six >"$dir/six"
	portshunt_start run --network none --child-ip 127.0.0.2 --child-ip ::1 -p 80 -- sh -c "
		busybox httpd -p 127.0.0.2:80 -h $dir/www
		mkdir $dir/www6 && echo six >$dir/www6/index.html
		exec busybox httpd -f -p '[::1]:80' -h $dir/www6"
	published 80
	eventually 5 page "http://127.0.0.1:$port/"
	six() { [ "$(timeout 5 busybox wget -q -O - "http://[::1]:$port/")" = six ]; }
	eventually 5 six
}

@test "port_handler=slirp4netns: it forwards, and leaves no socket file" {
	portshunt_start run --tmpdir "$tmpdir" --network slirp4netns:port_handler=slirp4netns \
		-p 80 -p 127.0.0.1::81/tcp,udp -- busybox httpd -f -p 80 -h "$dir/www"
	grep -qx '81/udp -> 127\.0\.0\.1:[0-9]\+' "$dir/portshunt.err"
	said "2 ports published to 10.0.2.100 by slirp4netns"
	published 80
	eventually 5 page "http://127.0.0.1:$port/"
	kill -KILL "$portshunt_pid"
	finish
	all_gone
	closed "$port"
}

@test "the free port is told on stderr, and by --log-json as well" {
	portshunt_start run --log-level error -p 80 -p 127.0.0.1::81 -p 90-92 -- sleep 60
	[ "$(wc -l <"$dir/portshunt.err")" = 5 ]
	grep -qx '80/tcp -> 0\.0\.0\.0:[0-9]\+' "$dir/portshunt.err"
	grep -qx '81/tcp -> 127\.0\.0\.1:[0-9]\+' "$dir/portshunt.err"
	grep -qx '92/tcp -> 0\.0\.0\.0:[0-9]\+' "$dir/portshunt.err"
	for container in 80 81 90 91 92; do
		published $container
		listening "$port"
	done
	portshunt_stop TERM

	portshunt_start run --log-json --log-level error -p 80 -- sleep 60
	perl -MJSON::PP -ne '$n++ if decode_json($_)->{msg} =~ m{^80/tcp -> 0\.0\.0\.0:[0-9]+$};
		END { exit(($n || 0) != 1) }' "$dir/portshunt.err"
}

@test "free ports in a row, where clients have every other one" {
	cat >"$dir/clients" <<-'END'
		use Socket;
		open my $range, ">", "/proc/sys/net/ipv4/ip_local_port_range";
		print $range "40000 40499";
		close $range;
		$^F = 1000; # open across exec
		for ($port = 40000; $port < 40500; $port += 2) {
			socket my $s, AF_INET, SOCK_STREAM, 0;
			bind $s, sockaddr_in($port, INADDR_ANY) or die $!;
			listen $s, 1;
			push @held, $s;
		}
		exec @ARGV;
	END
	run -0 unshare --map-root-user --net perl "$dir/clients" \
		"$PORTSHUNT" run --log-level error --network none -p 90-92 -- true
	first=${lines[0]#90/tcp -> 0.0.0.0:}
	[ "$output" = "90/tcp -> 0.0.0.0:$first
91/tcp -> 0.0.0.0:$((first + 1))
92/tcp -> 0.0.0.0:$((first + 2))" ]
}

@test "--log-json: every line is an object, up to the last" {
	portshunt_start run --log-json --log-level debug -p 80 -- sleep 60
	process_of slirp4netns
	kill -KILL "$pid"
	finish
	[ "$status" = 125 ]
	perl -MJSON::PP -ne '$o = decode_json($_); $n++;
		die $_ if $o->{time} !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
		$last = $o->{level};
		END { exit($n < 2 || $last ne "error") }' "$dir/portshunt.err"
}

@test "--log-level: how much is said" {
	portshunt_start run --log-level info -p 80 -- sleep 60
	said "1 port published to 10.0.2.100"
	portshunt_stop TERM
	free_port
	portshunt_start run --log-level warn -p "$port:80" -- sleep 60
	[ ! -s "$dir/portshunt.err" ]
}

@test "--ready-fd gets 1 and its end while COMMAND runs" {
	mkfifo "$dir/fifo"
	free_port
	(
		children_close_fds
		exec "$PORTSHUNT" run --ready-fd 9 -p "$port:80" -- sleep 60 9>"$dir/fifo" 2>&1
	) &
	portshunt_pid=$!
	[ "$(timeout 10 cat "$dir/fifo")" = 1 ]
	listening "$port"
	not pid_ended "$portshunt_pid"
}

@test "10 000 ports: in two seconds, 20 MB" {
	local total=0

	# where nobody else's ports are in the way
	wrap=(unshare --map-root-user --net)
	from=${EPOCHREALTIME/./}
	portshunt_start run --network none -p 10000-19999:20000-29999 -- sleep 60
	took=$(((${EPOCHREALTIME/./} - from) / 1000))
	for pid in $(our_pids); do
		total=$((total + $(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup")))
	done
	diag "10 000 ports were open after $took ms, with $total kB"
	[ "$(cat "/proc/$portshunt_pid/net/"tcp{,6} | grep -c ' 0A ')" = 10000 ]
	soon 2000
	[ "$total" -gt 500 ]
	[ "$total" -lt 20000 ]
}

@test "the same range on two addresses, to two ranges of the container" {
	free_port 1000
	portshunt_start run --network none -p "127.0.0.1:$port-$((port + 499)):1-500" \
		-p "127.0.0.2:$port-$((port + 499)):1001-1500" -- \
		busybox httpd -f -p 1250 -h "$dir/www"
	eventually 5 page "http://127.0.0.2:$((port + 249))/"
	not page "http://127.0.0.1:$((port + 249))/"
}

@test "ranges of both families on the same ports" {
	has_ipv6 || skip "this host has no IPv6"
	free_port 50
	portshunt_start run --network none -p "0.0.0.0:$port-$((port + 49)):1000-1049" \
		-p "[::]:$port-$((port + 49)):2000-2049" -- sh -c "
		busybox httpd -p 1049 -h $dir/www
		exec busybox httpd -f -p 2000 -h $dir/www"
	eventually 5 page "http://127.0.0.1:$((port + 49))/"
	eventually 5 page "http://[::1]:$port/"
	not page "http://[::1]:$((port + 49))/"
	not page "http://127.0.0.1:$port/"
}

@test "a host without IPv6: IPv4 only, and it is said once" {
	netns_make
	nsenter --net="$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	wrap=(nsenter --net="$ns")
	portshunt_start run -p 8080:80 -p 8081-8083:80-82 -- \
		busybox httpd -f -p 80 -h "$dir/www"
	[ "$(grep -c "this host has no IPv6: listening on IPv4 only" "$dir/portshunt.err")" = 1 ]
	eventually 5 nsenter --net="$ns" busybox wget -q -O /dev/null http://127.0.0.1:8080/
	[ -z "$(nsenter --net="$ns" ss -6Htln)" ]
}

@test "a low soft limit of files is COMMAND's alone: a wide range opens" {
	free_port 300
	wrap=(prlimit --nofile=40:4096)
	portshunt_start run --network none -p "$port-$((port + 299)):1-300" -- \
		sh -c 'ulimit -Sn; ulimit -Hn; exec sleep 60'
	eventually 5 grep -qx 4096 "$dir/portshunt.out"
	[ "$(<"$dir/portshunt.out")" = $'40\n4096' ]
}
