# SPDX-License-Identifier: Apache-2.0
# What add, remove, list, stats and reload do, and that they do it whole or not at all.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
setup() { control_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# holder NAME - a connection to $port, whose server in $ns, port 7000, holds it
holder() {
	peer_start "$1" client hold --ping --control 127.0.0.1 "$port"
	peer_read "$1"
	[ "$line" = "holding 1" ]
}

hold_server() {
	peer_start server server hold --connections "$1" --control --netns "$ns" --port 7000
}

# alive NAME - its connection carries bytes
alive() {
	peer_ask "$1" "ping 5000"
	[ "$line" = "answered 1, silent 0" ]
}

# ended NAME eof|reset|open
ended() {
	is() { peer_ask "$1" status && [[ $line == *"$2: 1"* ]]; }
	eventually 10 is "$@" || { echo "$line"; return 1; }
}

@test "add tells what it bound, and it is published at once" {
	control_start
	[ -z "$(rules)" ]
	free_port 3
	out=$(control add 80 127.0.0.1:$port:80 $((port + 1))-$((port + 2)):80-81)
	echo "$out"
	[ "$(sed -n 2p <<<"$out")" = "80/tcp -> 127.0.0.1:$port" ]
	[ "$(sed -n 3p <<<"$out")" = "80-81/tcp -> 0.0.0.0:$((port + 1))-$((port + 2))" ]
	page "http://127.0.0.1:$port/"
	not page "http://[::1]:$port/"
	pages $((port + 1))
	chosen=$(sed -n '1s/^80\/tcp -> 0\.0\.0\.0://p' <<<"$out")
	pages "$chosen"
	[ "$(rules)" = "1 0.0.0.0:$chosen 80 tcp 0 open
2 127.0.0.1:$port 80 tcp 0 open
3 0.0.0.0:$((port + 1))-$((port + 2)) 80-81 tcp 0 open" ]
	[ ! -s "$dir/portshunt.err" ]
}

@test "remove by its number, its port, its spec as it was given and as it is bound" {
	control_start -p 80
	published 80
	first=$port
	added 127.0.0.1::80
	by_port=$port
	added 127.0.0.1::80
	by_id=$port last=$id
	added "[::1]::81"
	by_spec=$port
	[ "$(control remove --host-port "$by_port")" = "rule 2 is removed, 0 connections were open" ]
	control remove --id "$last" --json
	control remove "[::1]::81"
	pages "$first"
	control remove "$first:80/tcp"
	for port in $first $by_port $by_id $by_spec; do
		not listening "$port"
	done
	[ -z "$(rules)" ]
	# a number is one rule's for ever
	added 80
	[ "$id" = 5 ]
}

@test "remove of several: each of them, and an error for each that is none" {
	control_start -p 80 -p 81 -p 82 -p 83 -p 84
	published 82
	[ "$(control remove --id 1 --id 2 --host-port "$port")" = "rule 1 is removed, 0 connections were open
rule 2 is removed, 0 connections were open
rule 3 is removed, 0 connections were open" ]
	published 83
	status=0
	out=$(control remove --id 9 --id 4 8888:80) || status=$?
	[ "$status" = 125 ]
	[ "$out" = "rule 4 is removed, 0 connections were open" ]
	[ "$(<"$dir/control.err")" = "portshunt: there is no rule 9
portshunt: no rule is 8888:80/tcp" ]
	[ "$(rules | cut -d ' ' -f 1)" = 5 ]
	[ "$(control remove --json --id 5 | wc -l)" = 1 ]
	[ -z "$(rules)" ]
}

@test "remove closes the connections of that rule with a FIN, and no others" {
	control_start -p 7000
	published 7000
	hold_server 4
	holder other
	added 7000
	holder one
	peer_start two client hold --ping --control ::1 "$port"
	peer_read two
	[ "$(control remove --id "$id")" = "rule $id is removed, 2 connections were open" ]
	ended one eof
	ended two eof
	alive other
	not listening "$port"
	[ "$(rules | wc -l)" = 1 ]
}

@test "remove --drain: nobody new, the others go on until they end" {
	control_start -p 7000
	published 7000
	first=$port
	hold_server 4
	added 7000
	holder one
	holder two
	control remove --drain --id "$id"
	not listening "$port"
	alive one
	[ "$(rules | tail -1)" = "$id 0.0.0.0:$port 7000 tcp 2 draining" ]
	# the port is free for another rule
	added "$port:7000"
	holder three
	peer_stdin_eof one
	peer_wait one
	alive two
	# who does not want to wait any longer
	control remove --id $((id - 1))
	ended two eof
	alive three
	[ "$(rules)" = "1 0.0.0.0:$first 7000 tcp 0 open
3 0.0.0.0:$port 7000 tcp 1 open" ]
}

@test "remove --drain --timeout: the rest ends when it is over, other rules' do not" {
	control_start -p 7000
	published 7000
	hold_server 3
	holder other
	added 7000
	holder one
	control remove --drain --timeout 3 "$port:7000"
	alive one
	ended one eof
	alive other
	[ "$(rules | wc -l)" = 1 ]
}

@test "an add that fails leaves nothing: a busy port behind good ones" {
	free_port 4
	busy=$((port + 3))
	httpd "127.0.0.1:$busy"
	control_start
	refused "listen tcp 0.0.0.0:$busy: bind: address already in use" add \
		"$port:80" "$((port + 1))-$busy:80-82"
	for p in $port $((port + 1)) $((port + 2)); do
		not listening "$p"
	done
	[ -z "$(rules)" ]
	added "$port:80"
	pages "$port"
	refused "rule $id, $port:80/tcp, has the same host port" add "127.0.0.1:$port:81"
	refused "an earlier -p has the same host port" add "$((port + 1)):80" "$((port + 1)):81"
	[ "$(rules)" = "$id 0.0.0.0:$port 80 tcp 0 open" ]
}

@test "more ports than there are descriptors: refused whole, and nobody is disturbed" {
	wrap=(prlimit --nofile=600:600)
	control_start -p 7000
	wrap=()
	published 7000
	first=$port
	hold_server 2
	holder one
	free_port 550
	refused "too many open files" add "127.0.0.1:$port-$((port + 549)):1-550"
	for p in $port $((port + 100)) $((port + 549)); do
		not listening "$p"
	done
	alive one
	port=$first
	holder two
	alive two
	free_port 100
	control add "127.0.0.1:$port-$((port + 99)):1-100"
}

@test "requests that make no sense change nothing, and are told why" {
	control_start -p 80
	published 80
	before=$(control list --json)
	while IFS='|' read -r request text; do
		out=$(raw ask "$request")
		[[ $out == '{"error":{"desc":"'*"$text"* ]] || { echo "$request: $out"; false; }
	done <<-EOF
		{"execute":"add"}|add wants either
		{"execute":"add","arguments":{"spec":7}}|a port spec is a string
		{"execute":"add","arguments":{"spec":"80/sctp"}}|unsupported protocol
		{"execute":"add","arguments":{"specs":["81","x"]}}|invalid port
		{"execute":"add","arguments":{"specs":[]}}|not a list
		{"execute":"add","arguments":{"spec":"81","drain":true}}|add takes no argument
		{"execute":"remove","arguments":{}}|remove wants one of
		{"execute":"remove","arguments":{"id":1,"host_port":$port}}|remove wants one of
		{"execute":"remove","arguments":{"id":-1}}|is not a number from 1
		{"execute":"remove","arguments":{"id":"1"}}|is not a number from 1
		{"execute":"remove","arguments":{"id":1e0}}|is not a number from 1
		{"execute":"remove","arguments":{"id":1,"drain":1}}|neither true nor false
		{"execute":"remove","arguments":{"id":1,"timeout":5}}|goes with
		{"execute":"remove","arguments":{"id":2}}|there is no rule 2
		{"execute":"remove","arguments":{"host_port":1}}|no rule has host port 1
		{"execute":"remove","arguments":{"spec":"81"}}|no rule is 81/tcp
		{"execute":"reload","arguments":{"child_ips":[]}}|reload wants
		{"execute":"reload","arguments":{"child_ips":["localhost"]}}|is not an IP address
		{"execute":"reload","arguments":{"child_ips":["127.0.0.2","127.0.0.3"]}}|given before
		{"execute":"stats","arguments":{"id":9}}|there is no rule 9
		{"execute":"stats","arguments":{"connections":10001}}|is not a number from 0 to 10000
		{"execute":"stop"}|cannot execute
		{"execute":"list","id":3}|unknown member
		{"execute":"list","arguments":[]}|is not an object
		{"execute":["list"]}|a request is an object
		["list"]|a request is an object
		{"execute":"list"|unexpected end of JSON input
		list|invalid JSON at byte 0
	EOF
	[ "$(control list --json)" = "$before" ]
	pages "$port"
}

@test "reload: newcomers go to the new address, connections to the old one end" {
	control_start -p 7000 -p 80
	published 7000
	hold_server 3
	holder one
	control reload 127.0.0.1
	alive one
	[ "$(control reload 127.0.0.2)" = "1 connection to other addresses was closed" ]
	ended one eof
	holder two
	alive two
	control stats --connections | grep -q ' 127\.0\.0\.2:7000 '
	[[ $(control list --json) == *'"child_ips":["127.0.0.2"]'* ]]
	if has_ipv6; then
		# its clients keep to it; the other family's get a server of their own
		control reload 127.0.0.2 ::1
		alive two
		peer_start six client hold --ping --control ::1 "$port"
		peer_read six
		[ "$(control reload ::1)" = "1 connection to other addresses was closed" ]
		ended two eof
		alive six
		holder seven
	fi
}

@test "stats: what came, what was refused, bytes each way, connections" {
	control_start -p 7000 -p 81 --datapath splice
	published 81
	closed=$port
	published 7000
	peer_start server server source --bytes 300k --netns "$ns" --port 7000
	peer_start client client source --bytes 100k 127.0.0.1 "$port"
	peer_wait client
	peer_wait server
	hold_server 1
	holder one
	not page "http://127.0.0.1:$closed/"
	[ "$(stat_of 1 accepted)" = 2 ]
	[ "$(stat_of 1 refused)" = 0 ]
	one_open() { [ "$(stat_of 1 connections)" = 1 ]; }
	eventually 5 one_open
	[ "$(stat_of 1 up_relayed)" -ge 102400 ]
	[ "$(stat_of 1 up_relayed)" -lt 103000 ]
	[ "$(stat_of 1 down_relayed)" -ge 307200 ]
	[ "$(stat_of 2 accepted)" = 1 ]
	[ "$(stat_of 2 refused)" = 1 ]
	client=$(ss -Htn state established "dport = :$port" | awk '{ print $3 }')
	control stats --connections | awk '/^ID/ { n++ } n == 2' | tee "$dir/connections"
	[ "$(wc -l <"$dir/connections")" = 2 ]
	[[ $(tail -1 "$dir/connections") == *" 1 "*"$client"*"127.0.0.1:$port"*"127.0.0.1:7000"* ]]
	[[ $(control stats --json --connections=1 --id 2) == *'"connections":[]}}' ]]
	# a rule's numbers stay in the total when it is gone
	control remove --id 1
	[ "$(stat_of total accepted)" = 3 ]
	[ "$(stat_of total connections)" = 0 ]
	[ "$(stat_of total down_relayed)" -ge 307200 ]
}

@test "stats: what the shunt has redirected" {
	control_start -p 7000 --datapath shunt || skip "the shunt does not run here"
	published 7000
	# a sender is redirected once its queue was empty, which not each is within 20 MB
	for connections in {1..10}; do
		peer_start server server bulk --bytes 20m --netns "$ns" --port 7000
		peer_start client client bulk --bytes 20m 127.0.0.1 "$port"
		peer_wait client
		peer_wait server
		[ "$(stat_of 1 up_redirected)" = 0 ] || break
	done
	[ "$(stat_of 1 captured)" = $((2 * connections)) ]
	[ "$(stat_of 1 fallback)" = 0 ]
	[ "$(stat_of 1 up_redirected)" -gt 0 ]
	# those that had no room in the end are counted twice
	[ $(($(stat_of 1 up_redirected) + $(stat_of 1 up_relayed))) -ge $((connections * 20 << 20)) ]
}

@test "stats: what sockmap has redirected" {
	control_start -p 7000 --datapath sockmap || skip "sockmap does not run here"
	published 7000
	peer_start server server bench --netns "$ns" --port 7000
	peer_start client client rr --seconds 1 127.0.0.1 "$port"
	peer_wait client
	[ "$(stat_of 1 accepted)" -ge 1 ]
	[ "$(stat_of 1 up_redirected)" -gt 0 ]
	[ "$(stat_of 1 down_redirected)" -gt 0 ]
	[ "$(stat_of 1 up_relayed)" -gt 0 ]
}

@test "a rule of both protocols: one free port, taken back whole" {
	control_start
	added 127.0.0.1::80/tcp,udp
	[ "$(rules)" = "1 127.0.0.1:$port 80 tcp,udp 0 open" ]
	[ -n "$(ss -Huan "sport = :$port")" ]
	page "http://127.0.0.1:$port/"
	control remove --id 1
	not listening "$port"
	[ -z "$(ss -Huan "sport = :$port")" ]
}

@test "hundreds of rules and connections come in pages, each once" {
	control_start
	free_port 150
	control add $(seq -f "127.0.0.1:%g:7000" "$port" $((port + 149))) >/dev/null
	[ "$(rules | wc -l)" = 150 ]
	[ "$(rules | sort -u | wc -l)" = 150 ]
	hold_server 130
	for n in 0 33 149; do
		peer_start "client$n" client hold --connections 40 --ping 127.0.0.1 $((port + n)) --control
		peer_read "client$n"
	done
	connections() { control stats --json "$@" | grep -o '"id":[0-9]*,"rule":[0-9]*'; }
	[ "$(connections --connections=1000 | sort -u | wc -l)" = 120 ]
	[ "$(connections --connections=1000 --id 34 | sort -u | wc -l)" = 40 ]
	[ "$(connections --connections=50 | wc -l)" = 50 ]
	[ "$(connections --connections | wc -l)" = 100 ]
}

@test "run, as an ordinary user" {
	as user
	free_port 2
	portshunt_start run --tmpdir "$tmpdir" --control "$socket" -p "$port:80" -- \
		sh -c "busybox httpd -p 80 -h $dir/www; exec busybox httpd -f -p 81 -h $dir/www"
	eventually 5 pages "$port"
	[ "$(stat -c '%a %U' "$socket")" = "600 pstest" ]
	as_user "$PORTSHUNT" add --control "$socket" "$((port + 1)):81"
	eventually 5 pages $((port + 1)) # its server starts after the other
	control remove --host-port "$port"
	not listening "$port"
	pages $((port + 1))
	refused "you can add 'net.ipv4.ip_unprivileged_port_start=1'" add 1:80
	portshunt_stop TERM
	[ ! -e "$socket" ]
}

@test "port_handler=slirp4netns: listed, not changed" {
	portshunt_start run --tmpdir "$tmpdir" --control "$socket" -p 80 \
		--network slirp4netns:port_handler=slirp4netns -- sleep 60
	published 80
	[ "$(control list | awk '/^[0-9]/ { print $2, $6 }')" = "0.0.0.0:$port slirp4netns" ]
	refused "with port_handler=slirp4netns the ports" add 81
	refused "with port_handler=slirp4netns the ports" remove --id 1
	refused "with port_handler=slirp4netns the ports" reload 127.0.0.1
}

@test "a forwarder that does not answer costs an error, and is not waited for twice" {
	control_start -p 80
	published 80
	free_port
	process_of forwarder
	kill -STOP "$pid"
	refused "the forwarder has not answered within 5 s" add "$port:80"
	kill -CONT "$pid"
	# what it was asked for is taken back
	[ "$(control list --json | grep -o '"id":[0-9]*')" = '"id":1' ]
	not listening "$port"
	added "$port:80"
	pages "$port"
}
