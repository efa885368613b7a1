# SPDX-License-Identifier: Apache-2.0
# gRPC, by Python's grpcio at both ends: calls, and streams in either direction.

needs="/usr/bin/python3"
ports="50051"
program=tests/servers/rate/programs/grpc_bench.py

missing() {
	/usr/bin/python3 -c 'import grpc' 2>/dev/null || echo "Python's grpc"
}

start() {
	server_start grpc KILL 50051 /usr/bin/python3 "$program" server 127.0.0.1:50051
}

# grpc LOAD - rate, p99 and the longest time are its own figures
grpc() {
	at 50051 && tool /usr/bin/python3 "$program" "$1" "127.0.0.1:$port" && read -r rate p99 pause unit <"$dir/out"
}

loads() {
	cell "calls of 100 B, 1 at a time" grpc calls-1
	cell "calls of 100 B, 16 at a time" grpc calls-16
	cell "answers of 100 KB, 4 at a time" grpc answers
	uncaptured "grpcio sets SO_ZEROCOPY on what it accepts" \
		cell "a stream down, messages of 64 KB" grpc down
	cell "a stream up, messages of 64 KB" grpc up
}
