# SPDX-License-Identifier: Apache-2.0
# Loads that a description of servers gives to cell: each runs a tool once, by the way that is
# measured, and sets rate, unit, p99 and pause (ms), or why, and fails. Sourced by rate.sh.

MB=1000000
seconds=0.7 # a bulk load is repeated until they have passed

# tool COMMAND... - runs it where the way's client is, with what it prints in $dir/out. In the
# background, so that a signal to this script need not wait for it.
tool() {
	local status=0

	"${enter[@]}" timeout 60 "$@" >"$dir/out" 2>"$dir/err" </dev/null &
	tool_pid=$!
	wait $tool_pid || status=$?
	tool_pid=
	[ $status != 0 ] || return 0
	why="$1: status $status: $(tail -qn 3 "$dir/err" "$dir/out" | xargs -d '\n')"
	return 1
}

# pace ARG... - see tests/tools/pace.pl
pace() {
	unit=MB/s
	tool perl "$pace" "$1" "$seconds" "${@:2}" && read -r rate pause <"$dir/out"
}

# fetch PORT PATH BYTES - downloads over HTTP, by a client that does as little as possible.
fetch() {
	at "$1" && pace fetch "$3" 127.0.0.1 "$port" "$2"
}

# curl_fetch PORT PATH BYTES [OPTION...] - downloads by curl, for what fetch cannot speak.
# The scheme is https where an option says --insecure.
curl_fetch() {
	local scheme=http

	[[ " $* " != *" --insecure "* ]] || scheme=https
	at "$1" && pace read "$3" curl -sSfN "${@:4}" "$scheme://127.0.0.1:$port$2"
}

# curl_put PORT PATH FILE [OPTION...] - uploads FILE.
curl_put() {
	at "$1" && pace time "$(stat -Lc %s "$3")" \
		curl -sSf -o /dev/null -T "$3" "${@:4}" "http://127.0.0.1:$port$2"
}

# in_ms TIME - "1.2us", "3ms", "1s" in ms
in_ms() {
	awk -v t="$1" 'BEGIN {
		n = t + 0
		print t ~ /us$/ ? n / 1000 : t ~ /ms$/ ? n : t ~ /m$/ ? n * 60000 : n * 1000 }'
}

# wrk_is_misled - a regex of the complaints that say nothing of the datapath. wrk asks FIONREAD after
# a full read, reads once more if there is more, and takes EAGAIN for an error; so where a captured
# socket's FIONREAD is wrong it has read errors on the shunt.
wrk_is_misled() {
	if [ -n "$fionread_wrong" ] && [ "$way" = shunt ]; then
		echo 'connect 0, read [0-9]+, write 0, timeout 0'
	else
		echo '^$'
	fi
}

# wrk_rate PORT PATH CONNECTIONS [SCHEME [OPTION...]] - requests over connections that stay.
wrk_rate() {
	at "$1" || return
	tool wrk -t 1 -d 1s --timeout 10s --latency -c "$3" "${@:5}" \
		"${4:-http}://127.0.0.1:$port$2" || return
	if grep -E 'Socket errors|Non-2xx' "$dir/out" | grep -vE "$(wrk_is_misled)" >"$dir/wrong"; then
		why="wrk: $(xargs <"$dir/wrong")"
		return 1
	fi
	rate=$(awk '/^Requests\/sec:/ { print $2 }' "$dir/out")
	p99=$(in_ms "$(awk '$1 == "99%" { print $2 }' "$dir/out")")
	pause=$(in_ms "$(awk '$1 == "Latency" && NF == 5 { print $4 }' "$dir/out")")
}

# ab_rate PORT PATH CONNECTIONS N - N requests, a connection for each.
ab_rate() {
	at "$1" || return
	tool ab -q -n "$4" -c "$3" "http://127.0.0.1:$port$2" || return
	if ! grep -qE '^Failed requests: +0$' "$dir/out" || grep -q Non-2xx "$dir/out"; then
		why="ab: $(grep -E '^(Failed|Non)' "$dir/out" | xargs)"
		return 1
	fi
	rate=$(awk '/^Requests per second:/ { print $4 }' "$dir/out")
	p99=$(awk '$1 == "99%" { print $2 }' "$dir/out")
	pause=$(awk '$1 == "100%" { print $2 }' "$dir/out")
}

# h2load_rate PORT PATH CONNECTIONS STREAMS [SCHEME] - HTTP/2. It has no p99.
h2load_rate() {
	at "$1" || return
	tool h2load -t 1 -D 1 -c "$3" -m "$4" "${5:-http}://127.0.0.1:$port$2" || return
	if ! grep -qE ' 0 failed, 0 errored, 0 timeout' "$dir/out" ||
		! grep -qE '^status codes:.* 0 3xx, 0 4xx, 0 5xx' "$dir/out"; then
		why="h2load: $(grep -E '^(requests|status codes):' "$dir/out" | xargs)"
		return 1
	fi
	rate=$(sed -n 's/^finished in .*, \([0-9.]*\) req\/s.*/\1/p' "$dir/out")
	pause=$(in_ms "$(awk '/^time for request:/ { print $5 }' "$dir/out")")
}

# redis_rate PORT TEST N ARG... - N requests of one of redis-benchmark's tests.
redis_rate() {
	at "$1" || return
	tool redis-benchmark -p "$port" --csv -t "$2" -n "$3" "${@:4}" || return
	# "test","rps","avg","min","p50","p95","p99","max"
	IFS=, read -r _ rate _ _ _ _ p99 pause < <(sed -n '2s/"//gp' "$dir/out")
}

# pgbench_rate PORT N ARG... - N transactions of each client, in an initialised database. Not for a
# time: it includes the connects, so that on a busy machine nothing is left of it.
pgbench_rate() {
	local log=$dir/pgbench

	at "$1" || return
	rm -f "$log".*
	tool pgbench -h 127.0.0.1 -p "$port" -n -t "$2" -l --log-prefix="$log" "${@:3}" || return
	if ! grep -q '^number of failed transactions: 0 ' "$dir/out"; then
		why="pgbench: $(grep failed "$dir/out")"
		return 1
	fi
	rate=$(awk '/^tps = / { print $3 }' "$dir/out")
	# the third field is the time in us
	read -r p99 pause < <(cut -d' ' -f3 "$log".* | sort -n | awk '{ t[NR] = $1 } END {
		printf "%.2f %.2f\n", t[int(NR * 0.99 + 0.5)] / 1000, t[NR] / 1000 }')
}

# sysbench_rate PORT TEST CONNECTIONS
sysbench_rate() {
	at "$1" || return
	tool sysbench "$2" --mysql-host=127.0.0.1 --mysql-port="$port" --mysql-user=bench \
		--mysql-password=bench --mysql-db=bench --table-size=10000 --tables=1 --time=1 \
		--threads="$3" --percentile=99 --db-ps-mode=disable run || return
	rate=$(sed -n 's/.*transactions: .*(\(.*\) per sec.*/\1/p' "$dir/out")
	p99=$(awk '$1 == "99th" { print $3 }' "$dir/out")
	pause=$(awk '$1 == "max:" { print $2 }' "$dir/out")
}

# iperf3_rate PORT ARG... - Mbit/s that arrive, of both directions. A pause is known to 100 ms:
# as many intervals in a row in which nothing was sent, or came.
iperf3_rate() {
	unit=Mbit/s
	at "$1" || return
	tool iperf3 -c 127.0.0.1 -p "$port" -t 1 -i 0.1 -J "${@:2}" || return
	read -r rate pause < <(perl -MJSON::PP -0777 -ne '
		my $report = decode_json($_);
		my ($silent, $longest) = (0, 0);
		for (@{ $report->{intervals} }) {
			$silent = $_->{sum}{bytes} ? 0 : $silent + 100;
			$longest = $silent if $silent > $longest;
		}
		my $end = $report->{end};
		printf "%.0f %d\n", ($end->{sum_received}{bits_per_second} +
			($end->{sum_received_bidir_reverse}{bits_per_second} // 0)) / 1e6, $longest' "$dir/out")
}

# ---- what servers serve ---------------------------------------------------------------

# www DIR - files named by their size: 1k, 100k, 10M, 150M
www() {
	mkdir -p "$1"
	head -c $((150 * MB)) /dev/urandom >"$1/150M"
	head -c $((10 * MB)) "$1/150M" >"$1/10M"
	head -c 100000 "$1/150M" >"$1/100k"
	head -c 1000 "$1/150M" >"$1/1k"
	chmod -R a+rX "$1"
}

# certificate DIR - DIR/cert.pem, DIR/key.pem, and both in DIR/both.pem
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj /CN=localhost -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null || return
	cat "$1/cert.pem" "$1/key.pem" >"$1/both.pem"
	chmod a+r "$1"/*.pem
}
