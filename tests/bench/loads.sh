# SPDX-License-Identifier: Apache-2.0
# The loads, and how one is measured over one way. Sourced by bench.sh.

# Name | figures, the first is compared | what it is | a client's mode and options, or a
# function of this file with @ before it. "pinned": the server on one CPU, the client on
# another. Left to the scheduler, one flow is at times on one CPU and then twice as fast.
loads_table() {
	cat <<-'END'
	bulk-select-up|gbps cpu|1 stream up, non-blocking with a poll before each write of 128 KiB|throughput --poll --write-size 128k
	bulk-select-down|gbps cpu|1 stream down, non-blocking with a poll before each write of 128 KiB|throughput --poll --write-size 128k --down
	bulk-blocking-up|gbps cpu|1 stream up, blocking writes of 128 KiB|throughput --blocking --write-size 128k
	bulk-blocking-down|gbps cpu|1 stream down, blocking writes of 128 KiB|throughput --blocking --write-size 128k --down
	epoll-1-up|gbps cpu|1 stream up, edge-triggered, 64 KiB|throughput --epoll --write-size 64k
	epoll-1-down|gbps cpu|1 stream down, edge-triggered, 64 KiB|throughput --epoll --write-size 64k --down
	epoll-16-up|gbps cpu|16 streams up, edge-triggered, 64 KiB|throughput --epoll --write-size 64k --streams 16
	epoll-16-down|gbps cpu|16 streams down, edge-triggered, 64 KiB|throughput --epoll --write-size 64k --streams 16 --down
	small-64|msgs_per_s cpu|1 stream up, blocking writes of 64 B|throughput --blocking --write-size 64
	small-1k|msgs_per_s cpu|1 stream up, blocking writes of 1 KiB|throughput --blocking --write-size 1k
	rr-1|tps p50_us p99_us cpu|request and response of 1 B, 1 flow|pinned rr --blocking
	rr-1-epoll|tps p50_us p99_us cpu|request and response of 1 B, 1 flow, both ends non-blocking|pinned rr --epoll --flows 1
	rr-64|tps p50_us p99_us cpu|request and response of 1 B, 64 flows|rr --epoll --flows 64
	rr-1-8k|tps p50_us p99_us cpu|request 128 B, response 8 KiB, 1 flow|pinned rr --blocking --request 128 --response 8k
	rr-64-8k|tps p50_us p99_us cpu|request 128 B, response 8 KiB, 64 flows|rr --epoll --flows 64 --request 128 --response 8k
	wwr|p99_us p50_us tps|5 writes of 5 to 49 B, then a read, 1 flow|pinned wwr --blocking
	crr-16|conns_per_s p50_us p99_us errors cpu|connect, request, response, close: 16 at a time|crr --epoll --flows 16
	crr-64|conns_per_s p50_us p99_us errors cpu|connect, request, response, close: 64 at a time|crr --epoll --flows 64
	udp-64-up|pps loss cpu|datagrams of 64 B up, as fast as can be|udp --write-size 64
	udp-64-down|pps loss cpu|datagrams of 64 B down, as fast as can be|udp --write-size 64 --down
	udp-1372-up|pps loss cpu|datagrams of 1372 B up, as fast as can be|udp --write-size 1372
	udp-1372-down|pps loss cpu|datagrams of 1372 B down, as fast as can be|udp --write-size 1372 --down
	udp-8972-up|pps loss cpu|datagrams of 8972 B up, as fast as can be|udp --write-size 8972
	udp-8972-down|pps loss cpu|datagrams of 8972 B down, as fast as can be|udp --write-size 8972 --down
	udp-paced|pps loss cpu|100 000 datagrams of 1372 B a second, up|udp --write-size 1372 --rate 100000
	idle-1k|pss_per_conn fds_per_conn kernel_per_conn held|1000 idle connections|@load_idle 1000
	idle-8k|pss_per_conn fds_per_conn kernel_per_conn held|8000 idle connections|@load_idle 8000
	stopped|accepted pss|a reader that has stopped, a writer at full speed|@load_stopped
	start|ready_ms|from exec to the first byte answered|@load_ports 1
	ports-1|ready_ms pss|a rule of 1 port, from exec to the first byte answered|@load_ports 1
	ports-1000|ready_ms pss|a rule of 1000 ports|@load_ports 1000
	ports-10000|ready_ms pss|a rule of 10000 ports|@load_ports 10000
	END
}

load_field() {
	loads_table | awk -F'|' -v name="$1" -v field="$2" '$1 == name { print $field }'
}

# loads_choose [NAME...] - all loads; or these, a name standing for all that go on after it
# with a "-" if it is none itself.
loads_choose() {
	local want all

	all=$(loads_table | cut -d'|' -f1)
	for want in ${*:-$all}; do
		grep -x -e "$want" <<<"$all" || grep -e "^$want-" <<<"$all" ||
			die "BENCH_ONLY: \"$want\" is no load; there are:" $all
	done
}

loads_head() {
	local load

	for load in $1; do
		printf 'load\t%s\t%s\t%s\n' "$load" "$(load_field "$load" 2)" "$(load_field "$load" 3)"
	done
}

# What hardly varies with the moment needs no more than two rounds.
load_rounds() {
	case $1 in
	idle* | stopped | ports*) echo $((rounds < 2 ? rounds : 2)) ;;
	*) echo "$rounds" ;;
	esac
}

declare -A failures=() successes=()

# load_run LOAD ROUND WAY - measures and records. What mostly fails is not tried again.
load_run() {
	local load=$1 round=$2 way=$3 what figures='' reason bad good

	if reason=$(load_senseless "$load" "$way"); then
		if [ "$round" = 1 ]; then record "$load" "$round" "$way" "none $reason"; fi
		return 0
	fi
	bad=${failures[$load $way]:-0} good=${successes[$load $way]:-0}
	if [ "$bad" -ge 2 ] && [ "$bad" -gt "$good" ]; then return 0; fi
	what=$(load_field "$load" 4)
	case $what in
	@*) ${what#@} "$way" ;;
	*) load_client "$way" $what ;;
	esac
	record "$load" "$round" "$way" "$figures"
	if [[ $figures = failed* ]]; then
		say "$load, $way: $figures"
		failures[$load $way]=$((bad + 1))
	else
		successes[$load $way]=$((good + 1))
	fi
}

# load_senseless LOAD WAY - says why there is nothing to measure; false when there is.
load_senseless() {
	case $1:$2 in
	start:native | start:veth | ports*:native | ports*:veth) echo "no forwarder" ;;
	udp*:haproxy | udp*:socat) echo "TCP only" ;;
	idle*:socat) echo "two processes a connection" ;;
	bulk-select-*:podman* | epoll-1-*:podman* | rr-64:podman* | crr-16:podman*) false ;;
	*:podman*) echo "its helper is measured by itself" ;;
	ports-1000*:socat | ports-1000*:docker-proxy) echo "a process a port" ;;
	*) false ;;
	esac
}

# The first and the last CPU, and all, that this may run on.
cpus=$(sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status)
first_cpu=${cpus%%[-,]*} last_cpu=${cpus##*[-,]}

# load_client WAY [pinned] MODE... - sets figures to what a client printed.
load_client() {
	local way=$1 pin=() command

	shift
	if [ "$1" = pinned ]; then
		pin=(taskset -c "$last_cpu")
		# of a server that has ended the client tells
		taskset -a -c -p "$first_cpu" "${server_of[$way]}" >/dev/null 2>&1 || true
		shift
	fi
	client_command "$way" "$@" --seconds "$seconds" --deadline "$((${seconds%.*} + 6))"
	if figures=$("${pin[@]}" "${command[@]}" 2>&1); then
		figures=${figures#* }
	else
		figures="failed: $(tail -n 1 <<<"$figures")"
	fi
	if [ ${#pin[@]} -gt 0 ]; then
		taskset -a -c -p "$cpus" "${server_of[$way]}" >/dev/null 2>&1 || true
	fi
	refuse_errors
	case $figures in
	failed*)
		figures+=$(instance_fate "$way")
		instance_down "$way"
		way_up "$way" || true
		;;
	esac
}

# A figure made with more than one in a hundred connections lost is none.
refuse_errors() {
	local count errors

	[[ $figures =~ \ count=([0-9]+) ]] || return 0
	count=${BASH_REMATCH[1]}
	[[ $figures =~ \ errors=([0-9]+)\ error=([A-Z]+) ]] || return 0
	errors=${BASH_REMATCH[1]}
	if [ $((errors * 100)) -gt "$count" ]; then
		figures="failed: $errors of $((count + errors)) connections, ${BASH_REMATCH[2]}"
	fi
}

# forward_answered KEY N - an instance's forwarder; sets took, the us until a byte came back.
forward_answered() {
	local began ended='' to from talker netns=${client_of[$1]}

	talk ${netns:+nsenter --net="$netns"} bash "$here/answered.sh" ${at_of[$1]}
	read -r _ <&"$from"
	began=${EPOCHREALTIME/./}
	instance_forward "$1" "$2" && read -r -t 20 ended <&"$from" || true
	talk_end
	[ -n "$ended" ] || return
	took=$((${ended/./} - began))
}

# fresh KEY N MODE... - an instance for one measurement: `peer server MODE...` and N ports.
fresh() {
	local key=$1 n=$2

	shift 2
	instance_new "$key" "$@" && instance_ports "$key" "$n"
}

# give_up KEY WHAT - the end of an instance that does not work.
give_up() {
	figures="failed to $2: $(complaint "$1")"
	instance_down "$1"
}

# Memory and fds of the forwarder, and the kernel's memory with both ends in it.
load_idle() {
	local n=$1 key="$2 idle" to from talker command took line='' pid pss fds kernel held=''

	fresh "$key" 1 hold --connections 1000000 && forward_answered "$key" 1 || {
		give_up "$key" start
		return
	}
	pid=${forwarder_of[$key]}
	pss=$(total_pss $pid) fds=$(total_fds $pid) kernel=$(kernel_memory)
	client_command "$key" hold --control --connections "$n"
	talk "${command[@]}"
	if read -r -t 15 line <&"$from" && echo "ping 1000" >&"$to" && read -r -t 20 line <&"$from"; then
		held=$(sed -n 's/^answered \([0-9]*\),.*/\1/p' <<<"$line")
	fi
	if [ "${held:-0}" -gt 0 ]; then
		figures=$(awk -v n="$held" -v pss=$(($(total_pss $pid) - pss)) \
			-v fds=$(($(total_fds $pid) - fds)) -v kernel=$(($(kernel_memory) - kernel)) 'BEGIN {
			printf "pss_per_conn=%.0f fds_per_conn=%.3f kernel_per_conn=%.0f held=%d",
				pss / n, fds / n, kernel / n, n }')
	else
		figures="failed to hold any: $line"
	fi
	talk_end
	instance_down "$key"
}

load_stopped() {
	local key="$1 stopped" to from talker command line='' pss end=$((SECONDS + 10))

	fresh "$key" 1 sink --control --stop-after 0 --connections 100 &&
		instance_forward "$key" 1 || {
		give_up "$key" start
		return
	}
	client_command "$key" source --bytes 1g --until-blocked 500
	until [[ $line = blocked* ]] || [ $SECONDS -gt $end ]; do
		talk "${command[@]}"
		read -r -t 20 line <&"$from" || true
		pss=$(total_pss ${forwarder_of[$key]})
		talk_end
	done
	figures="failed: ${line:-nothing came}"
	if [[ $line =~ ^blocked:\ ([0-9]+) ]]; then
		figures="accepted=${BASH_REMATCH[1]} pss=$pss"
	fi
	instance_down "$key"
}

# A rule of N ports, the last of them being asked.
load_ports() {
	local n=$1 key="$2 ports" took

	fresh "$key" "$n" hold --connections 1000000 && forward_answered "$key" "$n" || {
		give_up "$key" "open $n ports"
		return
	}
	figures="ready_ms=$((took / 1000)).$(printf %03d $((took % 1000)))"
	figures+=" pss=$(total_pss ${forwarder_of[$key]})"
	instance_down "$key"
}
