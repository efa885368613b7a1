# SPDX-License-Identifier: Apache-2.0
# WebSocket, by Python's websockets at both ends: an echo, and messages in bulk.

needs="/usr/bin/python3"
ports="8765"
program=tests/servers/rate/programs/websocket_bench.py

missing() {
	/usr/bin/python3 -c 'import websockets' 2>/dev/null || echo "Python's websockets"
}

start() {
	server_start websocket KILL 8765 /usr/bin/python3 "$program" server 8765
}

# websocket LOAD - rate, p99 and the longest time are its own figures
websocket() {
	at 8765 && tool /usr/bin/python3 "$program" "$1" "$port" && read -r rate p99 pause unit <"$dir/out"
}

loads() {
	cell "echo of 100 B, 1 connection" websocket echo-1
	cell "echo of 100 B, 16 connections" websocket echo-16
	cell "messages of 64 KB down" websocket down
	cell "messages of 64 KB up" websocket up
	cell "messages of 4 MB down" websocket large
}
