# SPDX-License-Identifier: Apache-2.0
# Nothing waits for a log, nor for a process that only logs: with each kind of standard error that
# takes no byte, at each level, in each way to start portshunt, each of its processes is stopped in
# turn. Requests on open connections, new connections, datagrams, `list` and SIGTERM go on.
#
# A process that is stopped does nothing, so: no `list` and no SIGTERM by the supervisor, and no
# outbound network, nor slirp4netns' own ports, by slirp4netns. The netns child has made sockets
# for 17 new connections and 17 new UDP clients at least; it alone may make more.

load lib
load run_lib
load rootlessport_lib
load docker_proxy_lib

setup_file() {
	e2e_setup_file
	docker_proxy_setup_file
}

setup() {
	rootlessport_setup
	proxy=$OURS proxy_pids=()
	need_root
	socket=$dir/control
	err=$dir/tmp-err/err
	mkdir "$dir/tmp-err"
	free_port 2
	udp_port=$((port + 1))
	published_ports+=("$port" "$udp_port")
}

teardown() {
	local failed=0

	[ -z "${asker:-}" ] || asker_end
	err_end
	proxies_stop || failed=1
	rootlessport_teardown || failed=1
	return $failed
}

teardown_file() { e2e_teardown_file; }

# With FIGURES, each request's times go to that file, those with a free standard error first.
kinds="${FIGURES:+free }pipe fifo reader terminal socket file closed"

# err_make KIND - $err will be that, for the words "${stderr[@]}" before a command
err_make() {
	rm -f "$err"*
	[ "$1" != file ] || mount -t tmpfs -o size=8k pstest "$dir/tmp-err"
	stderr=(perl "$e2e_root/tests/tools/stderr.pl" "$1" "$err")
}

err_end() {
	local file

	for file in "$dir"/tmp-err/*.pid; do
		[ ! -s "$file" ] || kill -KILL "$(<"$file")" 2>/dev/null || true
	done
	! mountpoint -q "$dir/tmp-err" || umount "$dir/tmp-err"
}

# err_drain KIND - from now on there is room
err_drain() {
	case $1 in
	file) mount -o remount,size=1m "$dir/tmp-err" ;;
	reader) kill -CONT "$(<"$err.pid")" ;;
	*) kill -USR1 "$(<"$err.pid")" ;;
	esac
}

said_dropped() {
	tr -d '\0' <"$err" | grep -qaE 'warning: [0-9]+ log lines? w(as|ere) dropped: nobody read standard error'
}

# only_whole_lines - what came is lines of ours, each whole
only_whole_lines() {
	local wrong

	wrong=$(tr -d '\0' <"$err" | grep -avE '^(portshunt: [^ ]|[0-9]+/(tcp|udp) -> )' | head -3)
	[ -z "$wrong" ] && [ -z "$(tail -c 1 "$err" | tr -d '\n')" ] && return
	echo "no lines of ours: $wrong"
	return 1
}

# serve NETNS - the container; run has it as COMMAND
serve() {
	nsenter --net="$1" perl "$e2e_root/tests/tools/requests.pl" serve 7000 7000 3>&- &
	ends_with_test+=($!)
	eventually 10 listening 7000 "$1"
}

# asker_start - the client, and another that asks all the time on connections of its own
asker_start() {
	local to=(perl "$e2e_root/tests/tools/requests.pl" ask 127.0.0.1 "$port" "$udp_port")

	[ "$mode" != docker_proxy ] || to=(nsenter --net="$ns" "${to[@]}")
	coproc ASKER_PROCESS { exec "${to[@]}" 3>&-; }
	asker=$ASKER_PROCESS_PID asker_in=${ASKER_PROCESS[1]} asker_out=${ASKER_PROCESS[0]}
	asked open 20
	{ echo open 10; exec yes ask 100; } 3>&- 2>/dev/null | exec "${to[@]}" 3>&- >/dev/null &
	load=$!
}

asker_end() {
	kill "$asker" "$load" 2>/dev/null || true
	wait "$asker" "$load" 2>/dev/null || true
	asker=
}

# asked WHAT N - all of it is answered
asked() {
	echo "$*" >&"$asker_in"
	IFS= read -r -t $((60 * ${PATIENCE:-1})) answer <&"$asker_out"
	[ -z "${FIGURES:-}" ] || echo "$cell: $* $answer" >>"$FIGURES"
	[[ $answer == ok* ]] && return
	echo "$cell: $*: $answer"
	return 1
}

all_asked() {
	asked ask "${REQUESTS:-100}"
	asked new 8
	asked udp 4
}

# stopped PID - until it is
is_stopped() {
	grep -q '^State:[[:space:]]*T' "/proc/$1/status"
}

# name_of PID
name_of() {
	local words parent

	mapfile -d '' words <"/proc/$1/cmdline"
	parent=$(awk '$1 == "PPid:" { print $2 }' "/proc/$1/status")
	if [[ " $main " == *" $1 "* ]]; then
		name=main
	elif [[ ${words[0]} == *slirp4netns* ]]; then
		name=slirp4netns
	elif [ "$mode" = docker_proxy ] || [[ " $main " != *" $parent "* ]]; then
		name="child of $(tr '\0' ' ' <"/proc/$parent/cmdline" | cut -d ' ' -f 1,2)"
	else
		name=${words[1]}
	fi
}

# forwards PID - it is the one that moves the bytes
forwards() {
	[ "$name" = @forwarder ] || { [ "$mode" = docker_proxy ] && [ "$name" = main ]; }
}

can_list() {
	[ "$mode" = attach ] || [ "$mode" = run ]
}

listed() {
	timeout 10 "$PORTSHUNT" list --control "$socket" | grep -q 7000 && return
	echo "$cell: no list"
	return 1
}

# each_stopped - sets $cell; goes on with all of them running
each_stopped() {
	local pid

	cell="$mode $kind $level: none"
	all_asked
	! can_list || listed
	for pid in $pids; do
		name_of "$pid"
		forwards "$pid" && continue
		cell="$mode $kind $level: $name"
		kill -STOP "$pid"
		eventually 10 is_stopped "$pid"
		all_asked
		! can_list || [ "$name" = main ] || listed
		kill -CONT "$pid"
		asked new 20 # the netns child makes up for what was used
	done
}

# stop_one N - one that is not the supervisor; each time another
stop_one() {
	local list=() pid

	for pid in $pids; do
		name_of "$pid"
		# SIGTERM is for COMMAND, and its init passes it on
		forwards "$pid" || [ "$name" = main ] || [ "$name" = @init ] || list+=("$pid")
	done
	[ ${#list[@]} = 0 ] || kill -STOP "${list[$1 % ${#list[@]}]}"
}

# ends PID - of SIGTERM
ends() {
	kill -TERM "$1"
	eventually 10 pid_ended "$1" && return
	echo "$cell: SIGTERM does not end it"
	return 1
}

mode_attach() {
	wrap=("${stderr[@]}")
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --control "$socket" --log-level "$level" \
		--datapath "${DATAPATH:-splice}" -p "$port:7000" -p "$udp_port:7000/udp"
	wrap=()
	main=$portshunt_pid
}

mode_run() {
	wrap=("${stderr[@]}")
	portshunt_start run --control "$socket" --log-level "$level" --datapath "${DATAPATH:-splice}" --tmpdir "$tmpdir" \
		-p "$port:7000" -p "$udp_port:7000/udp" -- \
		perl "$e2e_root/tests/tools/requests.pl" serve 7000 7000
	wrap=()
	main=$portshunt_pid
	process_of init
	eventually 10 listening 7000 "/proc/$pid/ns/net"
}

mode_rootlessport() {
	config "" "$(mapping "$port" 7000)" "$(mapping "$udp_port" 7000 udp)"
	helper_go "${stderr[@]}"
	main=$helper_pid
}

# one for each protocol; the network is one, so the client is in there as well
mode_docker_proxy() {
	local to=(-container-ip 127.0.0.1 -container-port 7000)

	wrap=(nsenter --net="$ns" env PORTSHUNT_DATAPATH="${DATAPATH:-splice}" "${stderr[@]}")
	proxy_runs -proto tcp -host-ip 127.0.0.1 -host-port "$port" "${to[@]}"
	main=$proxy_pid
	err=$err-udp err_make "$kind"
	wrap=(nsenter --net="$ns" "${stderr[@]}")
	proxy_runs -proto udp -host-ip 127.0.0.1 -host-port "$udp_port" "${to[@]}"
	main+=" $proxy_pid"
	wrap=()
}

end_attach() {
	ends "$main"
	portshunt_stop KILL
}

end_run() {
	end_attach
}

end_rootlessport() {
	ends "$main"
	helper_wait
}

end_docker_proxy() {
	local pid

	for pid in $main; do
		ends "$pid"
	done
	proxies_stop
	proxy_pids=()
}

# cells MODE LEVEL... - every kind of standard error, at these levels
cells() {
	local n=0

	mode=$1
	shift
	[ "$mode" = run ] || { netns_make; serve "$ns"; }
	for level; do
		for kind in $kinds; do
			cell="$mode $kind $level"
			err_make "$kind"
			"mode_$mode"
			pids=$(our_pids)
			asker_start
			each_stopped
			asker_end
			# although no other line follows; rootlessport's is /dev/null by now
			if [[ $mode == @(attach|run) && $kind != closed && $kind != free && $level == @(debug|info) ]]; then
				err_drain "$kind"
				eventually 10 said_dropped || { echo "$cell: not said"; return 1; }
				only_whole_lines
			fi
			stop_one $((n++))
			"end_$mode"
			eventually 10 nothing_runs || { echo "$cell: left: $(our_pids)"; return 1; }
			err_end
		done
	done
}

@test "attach waits for no log, nor for one of its processes" {
	cells attach error warn info debug
}

@test "run waits for no log, nor for one of its processes" {
	cells run error warn info debug
}

@test "rootlessport waits for no log, nor for one of its processes" {
	cells rootlessport info
}

@test "docker-proxy waits for no log, nor for one of its processes" {
	cells docker_proxy warn
}
