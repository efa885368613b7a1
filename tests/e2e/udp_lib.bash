# SPDX-License-Identifier: Apache-2.0
# What the UDP tests share, besides lib.bash.

# udp_start [PORTSHUNT_OPTION...] - a fresh namespace with container port 7000/udp published,
# for clients of either family to a container of the same. Sets $port and $families.
udp_start() {
	netns_make
	child_ips=(--child-ip 127.0.0.1)
	families=(4)
	if has_ipv6; then
		child_ips+=(--child-ip ::1)
		families+=(6)
	fi
	portshunt_start attach --netns "$ns" -p 7000/udp "${child_ips[@]}" "$@"
	published 7000 udp
}

# echo_start [PEER_OPTION...] - "server", which sends back what comes to port 7000.
echo_start() {
	peer_start server server udp-echo --control --netns "$ns" --port 7000 "$@"
}

# loopback FAMILY - sets $at to the loopback address of that family.
loopback() {
	local -A of=([4]=127.0.0.1 [6]=::1)

	at=${of[$1]}
}

# clients_start N [PEER_OPTION...] - "clients", N of them, by IPv4.
clients_start() {
	local n=$1

	shift
	peer_start clients client udp-hold --connections "$n" "$@" 127.0.0.1 "$port"
	peer_read clients
	[ "$line" = "holding $n" ]
}

# asked WHOM WHAT ANSWER - the peer is told WHAT and has to say ANSWER.
asked() {
	peer_ask "$1" "$2"
	[ "$line" = "$3" ] || { echo "$1: $2: \"$line\" instead of \"$3\""; return 1; }
}

# told_ten_or_more - the server tells all whom it has heard of: ten that have a session, and
# four that had to go, unless a new session got the port of one of them.
told_ten_or_more() {
	peer_ask server tell
	[[ $line =~ ^told\ 1[0-4]$ ]] || { echo "server: $line"; return 1; }
}


# sessions - how many UDP sockets of the namespace are connected to port 7000, or to any port.
sessions() {
	nsenter --net="$ns" ss -Hun "dport = :7000 or dport = :0" | wc -l
}

# session_ports - the own ports of those sockets, by which the container knows its clients
session_ports() {
	nsenter --net="$ns" ss -Hun "dport = :7000 or dport = :0" | awk '{ print $(NF - 1) }' | sort
}

sessions_are() {
	[ "$(sessions)" = "$1" ]
}
