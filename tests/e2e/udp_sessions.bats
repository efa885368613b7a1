# SPDX-License-Identifier: Apache-2.0
# Sessions: one for each client, kept by traffic in either direction, ended when idle, bounded.

load lib
load udp_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

@test "each client has a session of its own, and keeps it" {
	udp_start
	echo_start
	clients_start 20
	for i in 1 2 3; do
		asked clients "ping 2000" "answered 20, silent 0, refused 0"
	done
	asked server status "clients: 20, received: 60"
	[ "$(sessions)" = 20 ]
}

@test "the container may speak first again, to each client" {
	udp_start
	echo_start
	clients_start 10
	asked clients "ping 2000" "answered 10, silent 0, refused 0"
	asked server tell "told 10"
	asked clients "listen 3000 10" "heard 10"
}

@test "without a reply a session ends after --udp-timeout" {
	# long enough to be seen, on a slow machine as well
	udp_start --udp-timeout 2 --udp-timeout-stream 100
	# bound and silent, so that nothing is refused
	peer_start server server sink --netns "$ns" --port 7001
	perl -MSocket -e '
		open(my $ns, "<", $ARGV[0]) or die $!;
		syscall(308, fileno($ns), 0) == 0 or die "setns: $!";
		socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
		bind($s, sockaddr_in(7000, INADDR_ANY)) or die $!;
		open(my $ready, ">", $ARGV[1]) or die $!;
		close $ready;
		sleep 60' "$ns" "$dir/bound" 3>&- &
	holder=$!
	eventually 5 test -e "$dir/bound"
	clients_start 5
	asked clients send "sent 5"
	eventually 2 sessions_are 5
	eventually 10 sessions_are 0
	kill $holder
	wait $holder || true
}

@test "after a reply it ends after --udp-timeout-stream" {
	udp_start --udp-timeout 100 --udp-timeout-stream 2
	echo_start
	clients_start 5
	asked clients "ping 2000" "answered 5, silent 0, refused 0"
	[ "$(sessions)" = 5 ]
	eventually 10 sessions_are 0
	# and what the container says then reaches nobody
	asked server tell "told 5"
	asked clients "listen 200" "heard 0"
	# a new session may get the port of one that has ended
	asked server forget "forgot 5"
	asked clients "ping 2000" "answered 5, silent 0, refused 0"
	asked server status "clients: 5, received: 10"
}

@test "traffic one way only keeps a session, whichever way" {
	udp_start --udp-timeout 3 --udp-timeout-stream 3
	echo_start
	clients_start 3
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
	# new ones would have other ports
	before=$(session_ports)
	[ "$(uniq <<<"$before" | wc -l)" = 3 ]
	# 7 s, as long as the timeout twice over, of the container alone
	for i in {1..7}; do
		asked server tell "told 3"
		asked clients "listen 3000 3" "heard 3"
		asked clients "listen 1000" "heard 0"
	done
	[ "$(session_ports)" = "$before" ]
	# and of the clients alone
	peer_kill server
	for i in {1..7}; do
		asked clients send "sent 3"
		asked clients "listen 1000" "heard 0"
	done
	[ "$(session_ports)" = "$before" ]
	echo_start
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
	asked server status "clients: 3, received: 3"
}

@test "at --udp-sessions the one that was idle longest makes room, with one warning" {
	udp_start --udp-sessions 10
	echo_start
	clients_start 10
	asked clients "ping 2000" "answered 10, silent 0, refused 0"
	peer_start others client udp-hold --connections 4 127.0.0.1 "$port"
	peer_read others
	asked others "ping 2000" "answered 4, silent 0, refused 0"
	[ "$(sessions)" = 10 ]
	# the container reaches the four, and six of the ten
	told_ten_or_more
	asked others "listen 3000 4" "heard 4"
	asked clients "listen 3000 6" "heard 6"
	asked clients "listen 100" "heard 0"
	[ "$(grep -c 'warning: --limit udp-sessions=10 is reached' "$dir/portshunt.err")" = 1 ]
}

@test "few file descriptors: newcomers replace the idle, those who talk are kept" {
	wrap=(prlimit --nofile=600:600)
	udp_start
	wrap=()
	echo_start
	clients_start 5
	peer_start crowd client udp-hold --connections 400 127.0.0.1 "$port"
	peer_read crowd
	for i in 1 2; do
		asked crowd "ping 2000" "answered 400, silent 0, refused 0"
		asked clients "ping 2000" "answered 5, silent 0, refused 0"
	done
	[ "$(sessions)" -lt 400 ]
}

forwarder_pss() {
	awk '$1 == "Pss:" { print $2 }' "/proc/$(pid_of @forwarder)/smaps_rollup"
}

@test "10 000 sessions cost 2 KiB of our memory each, at most" {
	[ "$(ulimit -Hn)" -ge 15000 ] || skip "the hard limit of open files is $(ulimit -Hn), not 15000"
	udp_start --udp-timeout-stream 3
	echo_start
	clients_start 1
	asked clients "ping 2000" "answered 1, silent 0, refused 0"
	before=$(forwarder_pss)
	peer_start crowd client udp-hold --connections 10000 --deadline 120 127.0.0.1 "$port"
	peer_read crowd
	asked crowd "ping 3000" "answered 10000, silent 0, refused 0"
	after=$(forwarder_pss)
	echo "# $(((after - before) * 1024 / 10000)) bytes each" >&3
	[ $((after - before)) -le 20000 ]
	eventually 30 sessions_are 0
}

@test "10 000 ports start, and the last one works" {
	[ "$(ulimit -Hn)" -ge 12000 ] || skip "the hard limit of open files is $(ulimit -Hn), not 12000"
	netns_make
	free_port 10000
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 \
		-p 127.0.0.1:$port-$((port + 9999)):7000-16999/udp
	peer_start server server udp-echo --control --netns "$ns" --port 16999
	peer_start client client udp-echo --write-size 5 127.0.0.1 $((port + 9999))
	peer_wait client
	[ "$status" = 0 ]
}
