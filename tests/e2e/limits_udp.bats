# SPDX-License-Identifier: Apache-2.0
# udp-sessions of a rule: its own session that was idle longest makes room, and no other rule's.

load lib
load udp_lib
load limits_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# udp_clients NAME PORT COUNT
udp_clients() {
	peer_start "$1" client udp-hold --connections "$3" 127.0.0.1 "$2"
	peer_read "$1"
	asked "$1" "ping 5000" "answered $3, silent 0, refused 0"
}

@test "at udp-sessions of a rule its idle ones make room, and other rules keep theirs" {
	limits_began=$SECONDS
	udp_start --control "$dir/control" --rule-limit udp-sessions=10
	out=$("$PORTSHUNT" add --control "$dir/control" --rule-limit udp-sessions=off 7001/udp)
	other=${out##*:}
	echo_start
	peer_start other-server server udp-echo --control --netns "$ns" --port 7001
	udp_clients others "$other" 20
	# the second datagram settles them for port 7001: sessions counts those that have not, too
	asked others "ping 5000" "answered 20, silent 0, refused 0"
	udp_clients clients "$port" 10
	not_warned
	[ "$(reached 1 udp_sessions)" = 0 ]
	udp_clients more "$port" 4
	[ "$(sessions)" = 10 ]
	[ "$(reached 1 udp_sessions)" = 4 ]
	[ "$(reached total udp_sessions)" = 0 ]
	warned "rule 1, $port:7000/udp: --rule-limit udp-sessions=10 is reached"
	# the container reaches the four, six of the ten, and all of the other rule
	told_ten_or_more
	asked more "listen 3000 4" "heard 4"
	asked clients "listen 3000 6" "heard 6"
	asked clients "listen 100" "heard 0"
	asked other-server tell "told 20"
	asked others "listen 3000 20" "heard 20"
	# and those who had to go are served again
	eventually 5 all_answer
}

# One that is about to be served makes no room, and a datagram that finds none is lost.
all_answer() {
	peer_ask clients "ping 500"
	[ "$line" = "answered 10, silent 0, refused 0" ]
}

# silent COUNT - that many clients that the container will not reply to
silent() {
	perl -MSocket -e '
		for (1 .. $ARGV[1]) {
			socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
			send($s, "x", 0, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die $!;
			push @all, $s;
		}' "$1" "$2"
}

@test "who invents clients gets half of what a rule may have" {
	limits_began=$SECONDS
	udp_start --control "$dir/control" --rule-limit udp-sessions=10
	# nobody listens at this port: no replies
	out=$("$PORTSHUNT" add --control "$dir/control" --rule-limit udp-sessions=8 7000-7001/udp)
	echo_start
	first=${out##*:}
	first=${first%-*}
	udp_clients clients "$first" 3
	silent $((first + 1)) 50
	eventually 5 at_least 45
	asked server tell "told 3"
	asked clients "listen 3000 3" "heard 3"
	warned "rule 2, $first-$((first + 1)):7000-7001/udp: --rule-limit udp-sessions=8 is reached"
}

at_least() {
	[ "$(reached 2 udp_sessions)" -ge "$1" ]
}

@test "list shows the limits that a rule can reach" {
	udp_start --control "$dir/control" --rule-limit udp-sessions=10,connections=5
	"$PORTSHUNT" add --control "$dir/control" 7001 7002/tcp,udp >/dev/null
	run "$PORTSHUNT" list --control "$dir/control"
	[[ ${lines[1]} == "1 "*" udp "*" udp-sessions=10" && ${lines[1]} != *connections* ]]
	[[ ${lines[2]} == "2 "*" connections=5,half-open=1024" ]]
	[[ ${lines[3]} == "3 "*" connections=5,half-open=1024,udp-sessions=10" ]]
}
