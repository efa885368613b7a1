# SPDX-License-Identifier: Apache-2.0
# What the tests of limits share, besides lib.bash and udp_lib.bash.
#
#	$dir/control	the control socket
#	$port7000 …	the host port of that container port

# limits_start [OPTION...] - as attach_start, and sets $portN for each container port N
limits_start() {
	local n

	limits_began=$SECONDS
	attach_start --control "$dir/control" "$@"
	for n in $(sed -n 's/^\([0-9]*\)\/tcp -> .*/\1/p' "$dir/portshunt.err"); do
		published "$n"
		printf -v "port$n" %s "$port"
	done
	port=$port7000
}

# servers_start PORT... - "server-PORT" sends back what comes to it, on many connections
servers_start() {
	local n

	for n; do
		peer_start "server-$n" server hold --control --connections 100000 --netns "$ns" --port "$n"
	done
}

# clients NAME CONTAINER_PORT COUNT - that many connections, each known to work
clients() {
	local to=port$2

	peer_start "$1" client hold --control --connections "$3" 127.0.0.1 "${!to}"
	peer_read "$1"
	asked "$1" "ping 5000" "answered $3, silent 0"
}

# stands NAME TEXT - what it says of its connections
stands() {
	peer_ask "$1" status
	[ "$line" = "$2" ]
}

# answered NAME COUNT SILENT - so many of its connections carry bytes
answered() {
	peer_ask "$1" "ping 200"
	[ "$line" = "answered $2, silent $3" ]
}

# someone_answers N... - one of the peers at-N does; sets $who
someone_answers() {
	for who; do
		peer_ask "at-$who" "ping 20"
		[ "$line" != "answered 1, silent 0" ] || return 0
	done
	return 1
}

# warnings - but for those of the datapath, which are of the kernel that runs
warnings() {
	grep 'warning:' "$dir/portshunt.err" | grep -v 'warning: datapath'
}

# warned TEXT - there is one warning and it says that, or one in ten seconds if this took longer.
# Both clocks count whole seconds, so 10 of the warnings' may be 9 and a bit, and 9 of ours.
warned() {
	local n

	n=$(warnings | grep -cF -- "$1") || true
	[ "$n" -ge 1 ] && [ "$n" -le $((1 + (SECONDS - limits_began + 1) / 10)) ] &&
		[ "$(warnings | wc -l)" = "$n" ] && return
	echo "expected one warning: $1"
	cat "$dir/portshunt.err"
	return 1
}

not_warned() {
	! warnings
}

# reached RULE|total KEY - how often, by stats; "" for a limit that is off
reached() {
	local object

	if [ "$1" = total ]; then
		object=$("$PORTSHUNT" stats --control "$dir/control" --json | grep -o '"total":{.*"rules"')
	else
		object=$("$PORTSHUNT" stats --control "$dir/control" --json --id "$1" | grep -o '"rules":.*')
	fi
	grep -o '"reached":{[^}]*}' <<<"$object" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}

# connecting_are N - so many connections wait for the container's answer
connecting_are() {
	[ "$("$PORTSHUNT" stats --control "$dir/control" --connections --json |
		grep -o '"state":"connecting"' | wc -l)" = "$1" ]
}

# not_spinning MS - the forwarder sleeps through that time, but for a tenth of it
not_spinning() {
	local stat=/proc/$(pid_of @forwarder)/stat before after

	before=$(awk '{ print $14 + $15 }' "$stat")
	sleep "0.$1"
	after=$(awk '{ print $14 + $15 }' "$stat")
	[ $((after - before)) -le $(($1 * $(getconf CLK_TCK) / 10000)) ] ||
		{ echo "$((after - before)) ticks"; return 1; }
}

# late_start PORT - a server that answers nobody before late_begins: tests/tools/late.pl
late_start() {
	mkfifo "$dir/late.in"
	perl "$e2e_root/tests/tools/late.pl" "$ns" "$1" "$dir/late" <"$dir/late.in" 3>&- &
	late=$!
	exec {late_in}>"$dir/late.in"
	eventually 10 test -e "$dir/late"
}

late_begins() {
	echo >&"$late_in"
}

late_stop() {
	[ -n "${late:-}" ] || return 0
	exec {late_in}>&-
	kill "$late" 2>/dev/null || true
	wait "$late" 2>/dev/null || true
	late=
}
