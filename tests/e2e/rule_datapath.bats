# SPDX-License-Identifier: Apache-2.0
# --rule-datapath: one portshunt carries one port by the shunt and another by splice, whatever
# becomes of its rules.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib
load take_over_lib
load doctor_lib

setup_file() { e2e_setup_file; }
setup() {
	run_setup
	socket=$dir/control
}
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

shunt_need() {
	need_root
	what_can_run
	[ "$best" = shunt ] || skip "auto is $best here: $reason"
	netns_make
}

# datapaths - of each rule, as list and stats show them, which must be the same
datapaths() {
	local way

	way=$(control list | awk '/^[0-9]/ { print $1, $6 }')
	[ "$way" = "$(control stats | awk '/^ID/ { on = 1; next } on { print $1, $3 }')" ]
	[ "$way" = "$(control stats --json | sed 's/.*"rules"://' |
		sed 's/"id":/\n/g' | sed -n 's/^\([0-9]*\),.*"datapath":"\([a-z]*\)".*/\1 \2/p')" ]
	echo "$way" | paste -sd,
}

# both_ways RULE_ID CONTAINER_PORT - requests and responses; sets $up and $down to what was redirected
both_ways() {
	peer_start server server bench --control --netns "$ns" --port "$2"
	published "$2"
	"$PEER" client rr --epoll --flows 1 --seconds 1 --request 10 --response 10 127.0.0.1 "$port"
	peer_stdin_eof server
	peer_wait server
	up=$(stat_of "$1" up_redirected) down=$(stat_of "$1" down_redirected)
	echo "# rule $1: $up bytes redirected up, $down down" >&3
}

@test "one port is on the shunt and another of the same portshunt on splice" {
	shunt_need
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		--rule-datapath shunt -p 7000 --rule-datapath splice -p 7001
	[ "$(datapaths)" = "1 shunt,2 splice" ]
	bulk_redirected 1 up 7000 client server
	bulk 7001 client server
	[ "$(stat_of 2 up_relayed)" -ge 100000000 ]
	for member in up_redirected down_redirected captured fallback released; do
		[ "$(stat_of 2 $member)" = 0 ]
	done
}

@test "a rule that asks for the shunt has it both ways, one that asks for auto as auto has it" {
	shunt_need
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		--datapath splice --rule-datapath shunt -p 7000 --rule-datapath auto -p 7001 \
		--rule-datapath splice -p 7002
	[ "$(datapaths)" = "1 shunt,2 shunt,3 splice" ]
	both_ways 1 7000
	[ "$up" -gt 0 ]
	[ "$down" -gt 0 ]
	both_ways 2 7001
	if [ -n "$reason" ]; then
		[ "$up$down" = 00 ]
		grep -q "^portshunt: warning: .*:7000/tcp: datapath shunt: .*FIONREAD" "$dir/portshunt.err"
		[ "$(grep -c FIONREAD "$dir/portshunt.err")" = 1 ]
	else
		[ "$up" -gt 0 ]
		[ "$down" -gt 0 ]
	fi
}

@test "a rule on the shunt and a rule on sockmap carry their bytes beside each other" {
	shunt_need
	! "$PORTSHUNT" doctor | grep -E '^sockmap .* (failed|not possible) ' || skip "no sockmap here"
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		--rule-datapath sockmap -p 7000 --rule-datapath shunt -p 7001
	[ "$(datapaths)" = "1 sockmap,2 shunt" ]
	for rule in 1 2; do
		both_ways $rule $((6999 + rule))
		[ "$up" -gt 0 ]
		[ "$down" -gt 0 ]
	done
	[ "$(stat_of 1 captured)" = 0 ]
}

@test "add takes a datapath that is loaded, and no other; reload changes none" {
	shunt_need
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 -p 7000
	control add --rule-datapath splice 7001 7002 >/dev/null
	control add 7003 >/dev/null
	[ "$(datapaths)" = "1 shunt,2 splice,3 splice,4 shunt" ]
	refused "cannot publish 8080:80/tcp: datapath sockmap was not loaded at the start, and cannot be loaded any more: start portshunt with --datapath sockmap" \
		add --rule-datapath sockmap 8080:80
	refused 'unknown datapath "fast": use auto, shunt, sockmap or splice' add --rule-datapath fast 80
	control reload 127.0.0.2 >/dev/null
	[ "$(datapaths)" = "1 shunt,2 splice,3 splice,4 shunt" ]
}

@test "where splice alone is loaded, a rule cannot have the shunt" {
	netns_make
	portshunt_start attach --netns "$ns" --control "$socket" --child-ip 127.0.0.1 \
		--datapath splice -p 7000
	refused "start portshunt with --datapath shunt" add --rule-datapath shunt 80
	control add --rule-datapath auto 7001 >/dev/null
	[ "$(datapaths)" = "1 splice,3 splice" ]
}

@test "a rule keeps its datapath through two take-overs, unless a -p says another" {
	shunt_need
	first_start -p 7000
	control add --rule-datapath splice 7001 >/dev/null
	control add --rule-datapath shunt 7002 >/dev/null
	for _ in 1 2; do
		take_over
		[ "$(datapaths)" = "1 shunt,2 splice,3 shunt" ]
		ended "$old"
	done
	port=$(control list --json | grep -o '"id":2,[^}]*' | sed 's/.*"host_port":\([0-9]*\).*/\1/')
	take_over --rule-datapath shunt -p "$port:7001"
	[ "$(datapaths)" = "1 shunt,2 shunt,3 shunt" ]
	ended "$old"
	run -125 "$PORTSHUNT" attach "${options[@]}" --take-over "$socket" --datapath splice
	[[ ${lines[-1]} == "portshunt: --take-over $socket: cannot publish $port:7001/tcp: datapath shunt was not loaded at the start, "* ]]
	[ "$(datapaths)" = "1 shunt,2 shunt,3 shunt" ]
}

@test "an option that is of no -p, or names no datapath, is an error" {
	run -125 "$PORTSHUNT" attach --pid $$ -p 80 --rule-datapath shunt
	[ "$output" = "portshunt: no -p follows --rule-datapath shunt, which is of those that follow it" ]
	run -125 "$PORTSHUNT" attach --pid $$ --rule-datapath fast -p 80
	[ "$output" = 'portshunt: unknown datapath "fast": use auto, shunt, sockmap or splice' ]
}
