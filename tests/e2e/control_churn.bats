# SPDX-License-Identifier: Apache-2.0
# Rules come and go while others' connections stream: CONTROL_CHURN of them, 1000 by default.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load control_lib

setup_file() { e2e_setup_file; }
setup() { control_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# counted - descriptors of each process of ours
counted() {
	local pid

	for pid in $(our_pids | sort -n); do
		echo "$pid $(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)"
	done
}

# memory - of all processes of ours, in kB
memory() {
	local pid

	for pid in $(our_pids); do
		awk '/^Private_(Clean|Dirty):/ { kb += $2 } END { print kb }' "/proc/$pid/smaps_rollup"
	done | awk '{ kb += $1 } END { print kb }'
}

nothing_open() {
	[ "$(stat_of total connections)" = 0 ] && [ "$(rules | wc -l)" = 1 ]
}

# few_more_descriptors - sockets that are ready to be connected and pipes come and go
few_more_descriptors() {
	counted | join "$dir/before" - | awk -v processes="$(wc -l <"$dir/before")" \
		'{ bad += $3 > $2 + 64; n++ } END { exit bad || n != processes }'
}

# churned SPEC - while 100 connections stream
churned() {
	local before

	published 7000
	# what the first ones allocate is kept
	raw churn 100 "$1"
	streams_start "$port" 100
	streams_stop
	eventually 5 nothing_open
	rm "$dir/streams."*
	before=$(memory)
	counted >"$dir/before"

	streams_start "$port" 100
	raw churn "${CONTROL_CHURN:-1000}" "$1"
	streams_stop
	echo "# $(wc -l <"$dir/streams.rounds") rounds of 100 streams in ${CONTROL_CHURN:-1000} of $1," \
		"$before kB before, $(memory) kB after" >&3
	eventually 5 nothing_open
	grown_at_most $(($(memory) - before)) 512
	eventually 5 few_more_descriptors
	[ "$(stat_of total refused)" = 0 ]
	[ ! -s "$dir/portshunt.err" ] || ! grep -v -- '->' "$dir/portshunt.err"
}

@test "a free port comes and goes, 100 streams are exact" {
	control_start -p 7000 --datapath splice
	churned 127.0.0.1::80
}

@test "a range of 20 comes and goes, 100 streams are exact on the shunt" {
	control_start -p 7000 --datapath shunt || skip "the shunt does not run here"
	free_port 20
	sed -i '/warning\|FIONREAD/d' "$dir/portshunt.err"
	churned "127.0.0.1:$port-$((port + 19)):80-99"
}

@test "a rule that has a connection comes and goes, its connection with it" {
	control_start -p 7000
	published 7000
	streams_start "$port" 20
	free_port
	for _ in {1..20}; do
		added "$port:80"
		exec {connection}<>"/dev/tcp/127.0.0.1/$port"
		accepted() { [ "$(stat_of "$id" connections)" = 1 ]; }
		eventually 5 accepted
		control remove --id "$id" | grep -q ', 1 connection was open'
		run -0 timeout 5 cat <&"$connection"
		[ -z "$output" ]
		exec {connection}>&-
	done
	streams_stop
}
