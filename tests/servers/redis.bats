# SPDX-License-Identifier: Apache-2.0
# A real redis behind each datapath: no error in any reply, none in its log, and every value
# comes back as it was.

load servers

setup_file() {
	need redis-server redis-benchmark redis-cli
	e2e_setup_file
}

setup() {
	servers_setup
	server_start redis TERM 6379 redis-server --port 6379 --bind 127.0.0.1 --save "" \
		--appendonly no --dir "$dir" --loglevel verbose --proto-max-bulk-len 512mb
}

teardown() {
	local failed=0

	# redis-benchmark leaves with replies unread, natively as well: a reset, which the server
	# learns when it reads or when it writes
	grep -vE 'writing to client: (Connection reset by peer|Broken pipe)' "$dir/redis.out" >"$dir/log"
	log_is_clean "$dir/log" 'Error|writing to client|Protocol|limits' || failed=1
	servers_teardown && [ $failed = 0 ]
}

teardown_file() {
	e2e_teardown_file
}

# cli ARG... - redis-cli; an error in a reply is one of its status.
cli() {
	redis-cli -e -p "$port" "$@"
}

# bench TESTS ARG... - a figure for each of TESTS (a,b,c), and no error.
bench() {
	local tests=${1//,/ } n

	shift
	n=$(wc -w <<<"$tests")
	timeout 60 redis-benchmark -p "$port" -q --csv -t "${tests// /,}" "$@" >"$dir/bench.txt" 2>&1 || {
		cat "$dir/bench.txt"
		return 1
	}
	cat "$dir/bench.txt"
	[ "$(grep -c '^"[A-Z]' "$dir/bench.txt")" = "$n" ] || return 1
	! grep -iE 'err' "$dir/bench.txt" || return 1
	remark "redis-benchmark ${*:-}: $(sed 1d "$dir/bench.txt" | cut -d, -f1,2 | xargs)"
}

# replies_were_good - nothing but right replies since the server began.
replies_were_good() {
	cli info | tr -d '\r' >"$dir/info"
	grep -qx 'total_error_replies:0' "$dir/info" && grep -qx 'rejected_connections:0' "$dir/info"
}

small() {
	published 6379
	bench set,get,incr,lpush,rpop,sadd,hset,mset -n 20000 -c 50
	bench set,get,incr,lpush,rpop,sadd,hset,mset -n 100000 -c 50 -P 16
	replies_were_good
}

@test "redis-benchmark: small values, one by one and 16 in a pipeline" {
	on_each_datapath 6379 small
}

large() {
	published 6379
	bench set,get -n 5000 -c 20 -d 100000
	bench set,get -n 5000 -c 20 -d 100000 -P 16
	bench set,get -n 20 -c 4 -d 20000000
	replies_were_good
}

@test "redis-benchmark: values of 100 kB and of 20 MB" {
	on_each_datapath 6379 large
}

churn() {
	published 6379
	bench set,get -n 10000 -c 50 -k 0
	replies_were_good
}

@test "redis-benchmark: a connection for each request" {
	on_each_datapath 6379 churn
}

# There are as many replies as commands, in their order.
in_order() {
	published 6379
	seq 100000 | sed 's/.*/SET key:& value:&\r/' >"$dir/sets"
	cli --pipe <"$dir/sets" >"$dir/piped"
	grep -qx 'errors: 0, replies: 100000' "$dir/piped"
	[ "$(cli dbsize)" = 100000 ]
	seq -f 'GET key:%.0f' 20000 | cli >"$dir/got"
	cmp "$dir/got" <(seq -f 'value:%.0f' 20000)
	cli mget $(seq -f 'key:%.0f' 20000) >"$dir/got"
	cmp "$dir/got" <(seq -f 'value:%.0f' 20000)
	cli flushall
}

@test "100000 commands in one pipeline, and what they set" {
	on_each_datapath 6379 in_order
}

whole() {
	published 6379
	cli -x set big <"$dir/big"
	for i in {1..3}; do
		cli --raw get big | head -c 50000000 | cmp - "$dir/big"
	done
}

@test "a value of 50 MB comes back as it was" {
	head -c 50000000 /dev/urandom >"$dir/big"
	on_each_datapath 6379 whole
}

subscribed() {
	[ "$(cli pubsub numsub news)" = "$(printf 'news\n%d' "$1")" ]
}

heard_all() {
	[ "$(cat "$dir"/heard-* | grep -c '^message [0-9]*$')" = "$1" ]
}

# One who publishes, five who listen, one who monitors all that the server is told.
listeners() {
	local pids=() i

	published 6379
	for i in {1..5}; do
		(children_close_fds && exec redis-cli -p "$port" subscribe news) >"$dir/heard-$i" &
		pids+=($!)
	done
	(children_close_fds && exec redis-cli -p "$port" monitor) >"$dir/monitored" &
	pids+=($!)
	eventually 10 subscribed 5
	eventually 10 grep -qx OK "$dir/monitored"
	seq -f 'PUBLISH news "message %.0f"' 20000 | cli | sort | uniq -c | grep -qx ' *20000 5'
	eventually 20 heard_all 100000
	eventually 20 monitored_all 20000
	kill "${pids[@]}"
	wait "${pids[@]}" || true
	for i in {1..5}; do
		grep '^message ' "$dir/heard-$i" | cmp - <(seq -f 'message %.0f' 20000)
	done
}

monitored_all() {
	[ "$(grep -c '"PUBLISH"' "$dir/monitored")" = "$1" ]
}

@test "publish, subscribe and monitor: everybody hears everything, in order" {
	on_each_datapath 6379 listeners
}

gone() {
	published 6378
	run cli ping
	[ "$status" != 0 ]
	published 6379
	cli config set maxmemory 1
	run bench set -n 10
	[ "$status" != 0 ]
	run replies_were_good
	[ "$status" != 0 ]
}

@test "the loads of these tests fail where there is no server, or errors" {
	datapaths=(splice)
	on_each_datapath "6378 6379" gone
}
