# SPDX-License-Identifier: Apache-2.0
# MariaDB: sysbench's reads and writes. Its client's sockets block, its own do not.

needs="mariadbd mariadb mariadb-install-db sysbench"
ports="3306"

start() {
	mariadb-install-db --no-defaults --user=root --datadir="$dir/data" --skip-test-db \
		--auth-root-authentication-method=normal || return
	server_start mariadb TERM 3306 mariadbd --no-defaults --user=root --datadir="$dir/data" \
		--socket="$dir/socket" --pid-file="$dir/pid" --bind-address=127.0.0.1 --port=3306 \
		--skip-log-bin --innodb-flush-log-at-trx-commit=0 --max-connections=200 || return
	mariadb --no-defaults -u root -S "$dir/socket" -e "create database bench;
		create user bench@'%' identified by 'bench'; grant all on bench.* to bench@'%';
		create user bench@localhost identified by 'bench'; grant all on bench.* to bench@localhost" || return
	sysbench oltp_read_write --mysql-socket="$dir/socket" --mysql-user=bench --mysql-password=bench \
		--mysql-db=bench --table-size=10000 --tables=1 prepare || return
	# some 60 MB in rows of 1 KB
	mariadb --no-defaults -u root -S "$dir/socket" bench -e "create table wide
		select seq, repeat(md5(seq), 31) as text from seq_1_to_60000" || return
}

dump() {
	at 3306 && pace read $((59 * MB)) mariadb --no-defaults -h 127.0.0.1 -P "$port" -u bench -pbench \
		--quick -N -B -e "select * from wide" bench
}

loads() {
	cell "point_select, 1 connection" sysbench_rate 3306 oltp_point_select 1
	cell "point_select, 16 connections" sysbench_rate 3306 oltp_point_select 16
	cell "read_only, 8 connections" sysbench_rate 3306 oltp_read_only 8
	cell "read_write, 8 connections" sysbench_rate 3306 oltp_read_write 8
	cell "60 MB of rows" dump
}
