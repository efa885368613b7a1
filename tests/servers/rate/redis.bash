# SPDX-License-Identifier: Apache-2.0
# redis: requests one by one and in a pipeline, small and large values.

needs="redis-server redis-benchmark"
ports="6379"

start() {
	server_start redis TERM 6379 redis-server --port 6379 --bind 127.0.0.1 --save "" \
		--appendonly no --dir "$dir" --proto-max-bulk-len 512mb
}

loads() {
	cell "GET 3 B, 50 connections" redis_rate 6379 get 60000 -c 50
	cell "SET 3 B, 1 connection" redis_rate 6379 set 15000 -c 1
	cell "GET 3 B, 50 connections, 16 in a pipeline" redis_rate 6379 get 1000000 -c 50 -P 16
	cell "SET 10 KB, 20 connections" redis_rate 6379 set 50000 -c 20 -d 10000
	cell "SET 100 KB, 8 connections" redis_rate 6379 set 15000 -c 8 -d 100000
	cell "GET 100 KB, 8 connections" redis_rate 6379 get 15000 -c 8 -d 100000
	cell "SET 1 MB, 4 connections, 8 in a pipeline" redis_rate 6379 set 1200 -c 4 -d 1000000 -P 8
	cell "GET 1 MB, 4 connections, 8 in a pipeline" redis_rate 6379 get 1500 -c 4 -d 1000000 -P 8
}
