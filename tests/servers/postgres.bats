# SPDX-License-Identifier: Apache-2.0
# A real PostgreSQL behind each datapath: no failed transaction, no wrong row, nothing in its log.

load servers

# The programs of the newest version that is installed, among them pgbench.
pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
PATH=${pg_bin:+$pg_bin:}$PATH
as_postgres=(setpriv --reuid postgres --regid postgres --init-groups)
export PGUSER=postgres PGDATABASE=postgres

setup_file() {
	need initdb postgres pgbench psql
	[ "$(id -u)" = 0 ] || skip "needs root"
	e2e_setup_file
	chmod 777 "$E2E_DIR"
	"${as_postgres[@]}" initdb -D "$E2E_DIR/data" -A trust -N --locale=C.UTF-8 >/dev/null
	# autovacuum would be cancelled by tables that are dropped, which is an error in the log
	"${as_postgres[@]}" tee -a "$E2E_DIR/data/postgresql.conf" >/dev/null <<-EOF
	listen_addresses = '127.0.0.1'
	unix_socket_directories = '$E2E_DIR'
	fsync = off
	autovacuum = off
	max_connections = 100
	max_wal_size = 4GB
	EOF
}

setup() {
	servers_setup
	server_start postgres INT 5432 "${as_postgres[@]}" postgres -D "$E2E_DIR/data"
	eventually 20 grep -q 'ready to accept connections' "$dir/postgres.out"
}

teardown() {
	local failed=0

	log_is_clean "$dir/postgres.out" \
		'WARNING|ERROR|FATAL|PANIC|could not|unexpected EOF|reset by peer' || failed=1
	servers_teardown && [ $failed = 0 ]
}

teardown_file() {
	e2e_teardown_file
}

# sql COMMAND - through portshunt, prints the rows alone.
sql() {
	timeout 60 psql -h 127.0.0.1 -p "$port" -v ON_ERROR_STOP=1 -XAtqc "$1"
}

# bench WHAT ARG... - pgbench for 3 s, with no failed transaction.
bench() {
	timeout 60 pgbench -h 127.0.0.1 -p "$port" -n -T 3 "$@" >"$dir/bench.txt" 2>"$dir/bench.err" || {
		cat "$dir/bench.txt" "$dir/bench.err"
		return 1
	}
	cat "$dir/bench.txt" "$dir/bench.err"
	grep -qE '^number of transactions actually processed: [1-9]' "$dir/bench.txt" || return 1
	grep -q '^number of failed transactions: 0 ' "$dir/bench.txt" || return 1
	! grep -iE 'error|abort|warning' "$dir/bench.err" || return 1
	remark "pgbench $*: $(grep 'actually processed' "$dir/bench.txt")"
}

transactions() {
	local protocol

	published 5432
	pgbench -h 127.0.0.1 -p "$port" -i -q -s 5 2>&1 | grep -q '^done'
	for protocol in simple extended prepared; do
		bench -S -c 16 -j 2 -M $protocol
		bench -c 4 -j 2 -M $protocol
	done
	[ "$(sql "select sum(abalance) = (select sum(bbalance) from pgbench_branches) and
		sum(abalance) = (select sum(tbalance) from pgbench_tellers) and
		sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts")" = t ]
}

@test "pgbench: select only and tpc-b, by the simple, extended and prepared protocol" {
	on_each_datapath 5432 transactions
}

churn() {
	published 5432
	pgbench -h 127.0.0.1 -p "$port" -i -q -s 1 2>&1 | grep -q '^done'
	bench -S -C -c 8 -j 2
}

@test "pgbench: a connection for each transaction" {
	on_each_datapath 5432 churn
}

# 1.5 million rows, some 200 MB, out, in again, and out: the server's own sum agrees.
table() {
	published 5432
	sql "create table t as select i, md5(i::text) || md5((-i)::text) || md5((2 * i)::text) as m
		from generate_series(1, 1500000) i"
	sql "\copy (select * from t order by i) to '$dir/out'"
	[ "$(wc -l <"$dir/out")" = 1500000 ]
	sql "create table u (like t)"
	sql "\copy u from '$dir/out'"
	[ "$(sql "select count(*) from (table t except table u) d")" = 0 ]
	[ "$(sql "select count(*) from u")" = 1500000 ]
	sql "\copy u to '$dir/again'"
	cmp "$dir/out" "$dir/again"
	[ "$(stat -c %s "$dir/out")" -gt 150000000 ]
	sql "drop table t, u"
}

@test "COPY of a table of 150 MB, out and in, has every row as it was" {
	on_each_datapath 5432 table
}

# One row at a time, and one value of 100 MB.
shapes() {
	published 5432
	timeout 60 psql -h 127.0.0.1 -p "$port" -XAtq -v FETCH_COUNT=100 \
		-c "select i from generate_series(1, 300000) i" | cmp - <(seq 300000)
	sql "select repeat('0123456789', 10000000)" >"$dir/value"
	[ "$(wc -c <"$dir/value")" = 100000001 ]
	[ "$(tr -d '\n' <"$dir/value" | sha256sum)" = "$(yes 0123456789 | tr -d '\n' |
		head -c 100000000 | sha256sum)" ]
}

@test "many small answers, and one of 100 MB" {
	on_each_datapath 5432 shapes
}

gone() {
	published 5431
	run bench -S -c 2
	[ "$status" != 0 ]
	run sql "select 1"
	[ "$status" != 0 ]
	published 5432
	echo "select 1 / (random() * 0)::int;" >"$dir/wrong.sql"
	run bench -f "$dir/wrong.sql" -c 2
	[ "$status" != 0 ]
	: >"$dir/postgres.out" # it has complained, rightly
}

@test "the loads of these tests fail where there is no server, or errors" {
	datapaths=(splice)
	on_each_datapath "5431 5432" gone
}
