# SPDX-License-Identifier: Apache-2.0
# What listens at a control socket and is no portshunt of this user, or not a sound one.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib
load giver_lib

setup_file() { e2e_setup_file; }

setup() {
	control_setup
	options=(--netns "$ns" --child-ip 127.0.0.1)
}

teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

@test "what another user listens at is not asked, and nothing of it is printed" {
	user_need
	list='{"return":{"rules":[{"id":1,"host_ip":"6.6.6.6"}],"datapath":"bad","closed":66}}'
	who=$(id -u pstest)
	wrap=("${user_wrap[@]}")
	giver_start
	wrap=()
	peer_tell giver "again $list"
	for command in list "list --json" stats "stats --json" "add 80" "remove 80" \
		"reload 127.0.0.2"; do
		refused "control socket $socket: user id $who listens at it, not root or the user who asks" \
			$command
		grep -q "; run this as user id $who if its portshunt is meant" "$dir/control.err"
	done
	# its own user gets what it says
	[[ $(as_user "$PORTSHUNT" list --control "$socket") == *6.6.6.6* ]]
	giver_end
	[ "$output" = '{"execute":"list","arguments":{}}' ]
}

@test "SIGTERM and SIGINT end a command that waits" {
	for signal in TERM INT; do
		giver_start
		(
			children_close_fds
			exec env --default-signal=INT "$PORTSHUNT" list --control "$socket" >"$dir/taker" 2>&1
		) &
		taker=$!
		peer_read giver
		kill -$signal "$taker"
		taker_ends 3
		[ "$status" = $((128 + $(kill -l $signal))) ]
		[ ! -s "$dir/taker" ]
		peer_tell giver "- x"
		giver_end
	done
}

# run_inside [OPTION...] -- SCRIPT - `portshunt run` as $who, with SCRIPT as COMMAND and $PORTSHUNT
# as $1, $socket as $2, $dir as $3, and page at port 80
run_inside() {
	local script=${*: -1} options=("${@:1:$#-2}")

	portshunt_start run --network none --log-level warn --control "$socket" \
		-p "$port:80" "${options[@]}" -- sh -c "
			busybox httpd -p 80 -h '$dir/www'
			{ $script; } >'$dir/said' 2>&1
			: >'$dir/done'
			sleep 3600" - "$PORTSHUNT" "$socket" "$dir"
	eventually 10 test -e "$dir/done"
	cat "$dir/said"
}

command_is_refused() {
	local denied="portshunt: access denied: the control socket of run is for its own network namespace, not for COMMAND's; give run --control-from-command to allow that"

	free_port 2
	run_inside -- '
		"$1" list --control "$2"; echo $?
		"$1" add --control "$2" '$((port + 1))':80; echo $?
		"$1" remove --control "$2" --id 1; echo $?
		unshare --net --fork --pid "$1" list --control "$2"; echo $?
		cd "$3"; "$1" list --control ./control; echo $?'
	[ "$(sort "$dir/said" | uniq -c | tr -s ' ')" = "$(printf ' 5 125\n 5 %s' "$denied")" ]
	said "control socket: process "
	not_listening $((port + 1))
	pages "$port"
	[ "$(rules)" = "1 0.0.0.0:$port 80 tcp 0 open" ]
	portshunt_stop TERM
}

@test "COMMAND of run as root is refused at the control socket" {
	need_root
	as root
	command_is_refused
}

@test "COMMAND of run as an ordinary user is refused at the control socket" {
	as user
	command_is_refused
}

command_is_allowed() {
	free_port 2
	run_inside --control-from-command -- '"$1" add --control "$2" '$((port + 1))':80; echo $?'
	[ "$(tail -1 "$dir/said")" = 0 ]
	published_ports+=($((port + 1)))
	pages $((port + 1))
	[ "$(rules | wc -l)" = 2 ]
	portshunt_stop TERM
}

@test "COMMAND of run as root may use it with --control-from-command" {
	need_root
	as root
	command_is_allowed
}

@test "COMMAND of run as an ordinary user may use it with --control-from-command" {
	as user
	command_is_allowed
}

@test "clients of any network namespace are served by attach" {
	portshunt_start attach "${options[@]}" --log-level warn --control "$socket" -p 80
	published 80
	[[ $(nsenter --net="$ns" "$PORTSHUNT" list --control "$socket") == *":$port "* ]]
}

@test "--control-from-command wants run and --control" {
	run -125 "$PORTSHUNT" attach "${options[@]}" --control "$socket" --control-from-command
	[ "$output" = "portshunt: attach runs no command: --control-from-command is an option of portshunt run" ]
	run -125 "$PORTSHUNT" run --network none --control-from-command -- true
	[ "$output" = "portshunt: --control-from-command has no effect without --control PATH" ]
}

# steers_nothing FILE - no control character but the end of a line
steers_nothing() {
	[ -s "$1" ] && ! LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$1" && return
	cat -v "$1"
	return 1
}

@test "what the other end names is printed without what steers a terminal" {
	giver_start
	bad='\u001b]2;PWNED\u0007'
	rule="{\"id\":1,\"spec\":\"$bad\",\"host_ip\":\"$bad\",\"host_port\":1,\"protocol\":\"$bad\",\"state\":\"$bad\",\"datapath\":\"$bad\"}"
	peer_tell giver "again {\"return\":{\"datapath\":\"$bad\",\"rules\":[$rule],\"connections\":[{\"id\":1,\"client\":\"$bad\"}]}}"
	for command in list "stats --connections" "add 80"; do
		control $command >"$dir/out"
		grep -qF '?]2;PWNED?' "$dir/out"
		steers_nothing "$dir/out"
	done
	giver_end
	# a reply as it is, from who does not write it as JSON wants it
	giver_start
	peer_tell giver $'- {"return":{"rules":"\e]2;PWNED\a"}}'
	control list --json >"$dir/out" || true
	steers_nothing "$dir/out"
	giver_end
}

@test "an interface's name does not steer the terminal" {
	ip -n "${ns##*/}" link add $'\e]2;PWNED\a' type veth peer name other
	ip -n "${ns##*/}" addr add 10.99.9.1/24 dev $'\e]2;PWNED\a'
	for json in "" --log-json; do
		portshunt_start attach --netns "$ns" -p 80 $json
		grep -qF "the container's address is 10.99.9.1, of interface ?]2;PWNED?" "$dir/portshunt.err"
		steers_nothing "$dir/portshunt.err"
		portshunt_stop
	done
}

# nofile_of KIND - the limits of open files, soft and hard
nofile_of() {
	process_of "$1"
	awk '/^Max open files/ { print $4, $5 }' "/proc/$pid/limits"
}

@test "the netns child may have as many descriptors in flight as the hard limit says" {
	wrap=(prlimit --nofile=100:5000)
	portshunt_start attach "${options[@]}" --log-level warn -p 80
	[ "$(nofile_of netns)" = "5000 5000" ]
	portshunt_stop
	portshunt_start run --network none -- \
		sh -c 'ulimit -Sn >"$1.new"; ulimit -Hn >>"$1.new"; mv "$1.new" "$1"; exec sleep 3600' - "$dir/limits"
	[ "$(nofile_of init)" = "5000 5000" ]
	# COMMAND has its own
	eventually 5 test -e "$dir/limits"
	[ "$(<"$dir/limits")" = $'100\n5000' ]
	portshunt_stop
}
