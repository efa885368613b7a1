# SPDX-License-Identifier: Apache-2.0
# Mosquitto: small and large messages to a subscriber.

needs="mosquitto mosquitto_sub mosquitto_pub"
ports="1883"

start() {
	cat >"$dir/mosquitto.conf" <<-EOF
	listener 1883 127.0.0.1
	allow_anonymous true
	user root
	max_queued_messages 0
	max_inflight_messages 0
	set_tcp_nodelay true
	EOF
	server_start mosquitto TERM 1883 mosquitto -c "$dir/mosquitto.conf"
}

subscribed() {
	grep -q 'received SUBACK' "$dir/heard"
}

# publish N BYTES QOS - N messages from one publisher to one subscriber.
publish() {
	local began ended pid status=0

	at 1883 || return
	head -c $(($2 * 3 / 4)) /dev/zero | base64 -w 0 | awk -v n="$1" '{ for (i = 0; i < n; i++) print }' >"$dir/messages"
	: >"$dir/heard"
	"${enter[@]}" timeout 60 stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$port" -d -F %l -t news -q "$3" \
		-C "$1" >"$dir/heard" 2>&1 &
	pid=$!
	if ! eventually 10 subscribed; then
		why="mosquitto_sub has not subscribed"
		kill $pid
		return 1
	fi
	began=${EPOCHREALTIME/./}
	"${enter[@]}" timeout 60 mosquitto_pub -h 127.0.0.1 -p "$port" -t news -q "$3" -l <"$dir/messages" || status=$?
	wait $pid || status=$?
	ended=${EPOCHREALTIME/./}
	[ $status = 0 ] || { why="mosquitto_pub or _sub: status $status"; return 1; }
	unit=1/s
	rate=$(awk -v n="$1" -v us=$((ended - began)) 'BEGIN { printf "%.0f\n", n * 1e6 / us }')
}

loads() {
	cell "10000 messages of 100 B" publish 10000 100 0
	cell "2000 messages of 100 B, acknowledged" publish 2000 100 1
	cell "500 messages of 100 KB" publish 500 100000 0
}
