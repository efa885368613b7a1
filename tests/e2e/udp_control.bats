# SPDX-License-Identifier: Apache-2.0
# UDP rules come, go and change while others are in use.

load lib
load run_lib
load control_lib
load udp_lib

setup_file() { e2e_setup_file; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

start() {
	socket=$dir/control
	netns_make
	control_start "$@"
}

# added SPEC - a rule is added; sets $id, and $port to what it got.
added() {
	control add --json "$1" >"$dir/reply"
	id=$(sed -n 's/.*"id":\([0-9]*\).*/\1/p' "$dir/reply")
	port=$(sed -n 's/.*"host_port":\([0-9]*\).*/\1/p' "$dir/reply")
	[ -n "$id" ] && [ -n "$port" ] || { cat "$dir/reply"; return 1; }
	published_ports+=("$port")
}

@test "a UDP rule is added to a running portshunt, and removed with its sessions only" {
	start
	echo_start
	added 7000/udp
	clients_start 3
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
	first=$id
	added 7000/tcp,udp
	peer_start others client udp-hold --connections 2 127.0.0.1 "$port"
	peer_read others
	asked others "ping 2000" "answered 2, silent 0, refused 0"
	[ "$(sessions)" = 5 ]
	control remove --id "$first"
	[ "$(sessions)" = 2 ]
	asked others "ping 2000" "answered 2, silent 0, refused 0"
	peer_ask clients "ping 100"
	[[ $line == "answered 0, silent 3, refused "* ]]
	control remove --id "$id" --drain
	[ "$(sessions)" = 0 ]
	! listening_udp "$port"
}

@test "another address of the container: sessions of the old one end, new ones go there" {
	start -p 7000/udp
	published 7000 udp
	echo_start --bind 127.0.0.1
	peer_start other server udp-echo --control --netns "$ns" --bind 127.0.0.2 --port 7000
	clients_start 4
	asked clients "ping 2000" "answered 4, silent 0, refused 0"
	control reload 127.0.0.2
	[ "$(sessions)" = 0 ]
	asked clients "ping 2000" "answered 4, silent 0, refused 0"
	asked server status "clients: 4, received: 4"
	asked other status "clients: 4, received: 4"
}

@test "what UDP does is counted" {
	start
	echo_start
	added 7000/udp
	clients_start 3
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
	asked clients "ping 2000" "answered 3, silent 0, refused 0"
	control stats --json >"$dir/stats"
	# three sessions, and twice three times four bytes each way
	grep -q '"accepted":3' "$dir/stats" || { cat "$dir/stats"; false; }
	[ "$(grep -o '_relayed":24\b' "$dir/stats" | wc -l)" -ge 2 ] || { cat "$dir/stats"; false; }
}

@test "a UDP rule has no datapath and no limits of TCP; stats says that sessions are not listed" {
	start --datapath splice -p 7000/udp -p 7001/tcp,udp -p 7002 --rule-limit udp-sessions=9,idle-timeout=5
	published 7000 udp
	echo_start
	clients_start 2
	asked clients "ping 2000" "answered 2, silent 0, refused 0"
	control list --json | tr '{' '\n' >"$dir/list"
	grep -A 1 '"spec":"[0-9]*:7000/udp"' "$dir/list" >"$dir/udp"
	grep -q '"udp_sessions":9}' "$dir/udp"
	! grep -E 'datapath|half_open|idle_timeout' "$dir/udp" || false
	grep -A 1 ':7001/tcp,udp"' "$dir/list" | grep -q '"half_open":1024,"udp_sessions":9,"idle_timeout":5'
	grep -A 1 ':7002/tcp"' "$dir/list" | grep -q '"half_open":1024,"idle_timeout":5'
	[ "$(control list | awk '$3 == 7000 { print $4, $5, $6, $7, $8 }')" = "udp 2 - open udp-sessions=9" ]
	[ "$(control list | awk '$3 == 7002 { print $6, $8 }')" = "splice half-open=1024,idle-timeout=5" ]
	[[ $(control stats --connections) == *"UDP sessions are counted above, and not listed" ]]
	[[ $(control stats --connections --id 3) != *"UDP sessions"* ]]
	[[ $(control stats) != *"UDP sessions"* ]]
	control stats | awk '/:7000\/udp/ { exit !($NF == "0" && $3 == "-") }'
}

@test "stats says which limit was reached" {
	start -p 7000/udp --rule-limit udp-sessions=2
	published 7000 udp
	echo_start
	peer_start many client udp-hold --connections 5 127.0.0.1 "$port"
	peer_read many
	peer_ask many "ping 2000"
	[[ $(control stats | awk '/:7000\/udp/ { print $NF }') =~ ^udp-sessions=[1-9] ]]
}
