# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: pgbench, and COPY in bulk.

pg_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
PATH=${pg_bin:+$pg_bin:}$PATH
export PGUSER=postgres PGDATABASE=postgres
needs="initdb postgres pgbench psql"
ports="5432"

start() {
	local as_postgres=(setpriv --reuid postgres --regid postgres --init-groups)

	chmod 777 "$dir"
	"${as_postgres[@]}" initdb -D "$dir/data" -A trust -N --locale=C.UTF-8 || return
	"${as_postgres[@]}" tee -a "$dir/data/postgresql.conf" <<-EOF
	listen_addresses = '127.0.0.1'
	unix_socket_directories = '$dir'
	fsync = off
	max_connections = 100
	max_wal_size = 4GB
	EOF
	server_start postgres INT 5432 "${as_postgres[@]}" postgres -D "$dir/data" || return
	eventually 20 grep -q 'ready to accept connections' "$dir/postgres.out" || return
	pgbench -h "$dir" -i -q -s 5 || return
	# some 100 MB
	psql -h "$dir" -qc "create table rows as select i, md5(i::text) || md5((-i)::text) as sum
		from generate_series(1, 1400000) i" -c "create table copies (like rows)" -c checkpoint || return
	psql -h "$dir" -qc "copy rows to stdout" >"$dir/rows" || return
	size=$(stat -c %s "$dir/rows")
}

copy_out() {
	at 5432 && pace read "$size" psql -h 127.0.0.1 -p "$port" -qc "copy rows to stdout"
}

copy_in() {
	at 5432 && pace time "$size" psql -h 127.0.0.1 -p "$port" -v ON_ERROR_STOP=1 -q \
		-c "truncate copies" -c "\\copy copies from '$dir/rows'"
}

loads() {
	cell "pgbench -S, 1 client" pgbench_rate 5432 8000 -S -c 1
	cell "pgbench -S, 8 clients" pgbench_rate 5432 5000 -S -c 8
	cell "pgbench -S, 50 clients" pgbench_rate 5432 800 -S -c 50
	cell "pgbench -S -M prepared, 8 clients" pgbench_rate 5432 6000 -S -M prepared -c 8
	cell "pgbench -S -M prepared, 50 clients" pgbench_rate 5432 900 -S -M prepared -c 50
	cell "pgbench, 8 clients" pgbench_rate 5432 300 -c 8
	cell "COPY out" copy_out
	cell "COPY in" copy_in
}
