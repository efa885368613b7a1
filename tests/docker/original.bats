# SPDX-License-Identifier: Apache-2.0
# docker-proxy beside the original of Debian's docker.io: the same argv, the same exit status,
# bytes on fd 3 and first line of stderr; and where they differ, what either does.

load docker

setup_file() {
	docker_setup_file
}

setup() {
	docker_proxy_setup
	original=$(command -v docker-proxy) || skip "docker-proxy is not installed: make check-docker"
	need_root
}

teardown() { docker_proxy_teardown; }
teardown_file() { e2e_teardown_file; }

# outcomes ARG... - sets $theirs and $ours, without the time of day of Go's log package, and
# without the address that Docker 28 puts in front of Go's error, which has it as well
outcomes() {
	proxy=$original proxy_outcome "$@"
	theirs=$(sed -E 's/[0-9/]{10} [0-9:]{8} //; s/failed to listen on [^ ]+: //' <<<"$outcome")
	proxy=$OURS proxy_outcome "$@"
	ours=$outcome
}

same() {
	outcomes "$@"
	[ "$ours" = "$theirs" ] && return
	printf 'for %s\noriginal: %s\nours: %s\n' "$*" "$theirs" "$ours"
	return 1
}

# differs THEIRS OURS ARG... - a later original may have come to say what ours does
differs() {
	outcomes "${@:3}"
	[ "$ours" = "$2" ] && [[ $theirs == "$1" || $theirs == "$2" ]] && return
	printf 'for %s\noriginal: %s\nours: %s\n' "${*:3}" "$theirs" "$ours"
	return 1
}

target=(-container-ip 127.0.0.1 -container-port 80)

@test "the same: what runs, and every word on fd 3" {
	free_port
	for proto in tcp udp; do
		for host in 127.0.0.1 0.0.0.0 ::1 :: ::ffff:127.0.0.1; do
			same -proto $proto -host-ip $host -host-port "$port" "${target[@]}"
			same -proto=$proto --host-ip=$host --host-port "$port" "${target[@]}" and more
			same -proto $proto -host-ip $host -host-port "$port" -container-ip ::1 \
				-container-port 80
			same -proto $proto -host-ip $host -host-port 70000 "${target[@]}"
			same -proto $proto -host-ip $host "${target[@]}"
		done
		same -proto $proto -host-ip 192.0.2.1 -host-port "$port" "${target[@]}"
		same -proto $proto -host-ip 2001:db8::1 -host-port "$port" "${target[@]}"
	done
	same -host-ip 127.0.0.1 -host-port "$(printf 0x%x "$port")" "${target[@]}"
	same -host-ip 192.0.2.1 -host-ip 127.0.0.1 -host-port "$port" "${target[@]}"
}

@test "the same: a port that is busy" {
	free_port
	peer_start tcp4 server sink -4 --control --port "$port"
	peer_start tcp6 server sink -6 --control --port "$port"
	peer_start udp server udp-echo --control --port "$port"
	for proto in tcp udp; do
		for host in 127.0.0.1 0.0.0.0 ::1 ::; do
			same -proto $proto -host-ip $host -host-port "$port" "${target[@]}"
			[ "${ours%% *}" = 1 ]
		done
	done
}

@test "the same: flags that are none" {
	same -bogus 3
	same --bogus=3
	same -host-ip
	same -proto tcp -host-port
	same ---host-ip ::1
	same -=3
	same -host-port 8o
	same -host-port ""
	same -host-port 1.5
	same -host-port " 1"
	same -host-port 99999999999999999999
	same -container-port -host-ip
	[[ $ours == "2 "* ]]
}

@test "different: what is missing or wrong is told, and not replaced by this host" {
	free_port
	on=(-host-ip 127.0.0.1 -host-port "$port")
	differs runs "1 \$'1\n-container-ip is missing'" "${on[@]}" -container-port 80
	differs runs "1 \$'1\n-container-port -1 is no port'" "${on[@]}" -container-ip 127.0.0.1
	differs runs "2 '' invalid value \"x\" for flag -container-ip: invalid IP address: x" \
		"${on[@]}" "${target[@]}" -container-ip x
	differs runs "2 '' invalid value \"x\" for flag -host-ip: invalid IP address: x" \
		"${on[@]}" "${target[@]}" -host-ip x
	differs "1 '' unsupported protocol icmp" "1 \$'1\nunsupported protocol icmp'" \
		-proto icmp "${on[@]}" "${target[@]}"
	outcomes -proto sctp "${on[@]}" "${target[@]}"
	[ "$ours" = "1 \$'1\nunsupported protocol sctp: portshunt forwards tcp and udp'" ]
}

# pss PID - KiB
pss() {
	awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"
}

@test "one takes less memory than one of the original" {
	[ -z "${SAN:-}" ] || skip "a sanitizer takes memory of its own"
	free_port
	for proto in tcp udp; do
		proxy=$original proxy_runs -proto $proto -host-ip 127.0.0.1 -host-port "$port" "${target[@]}"
		theirs=$(pss "$proxy_pid")
		proxies_stop
		proxy=$OURS proxy_runs -proto $proto -host-ip 127.0.0.1 -host-port "$port" "${target[@]}"
		ours=$(pss "$proxy_pid")
		proxies_stop
		echo "# $proto: Pss $ours KiB, of the original $theirs" >&3
		[ "$ours" -lt "$theirs" ]
	done
}
