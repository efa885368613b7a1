# SPDX-License-Identifier: Apache-2.0
# --datapath=auto runs the best datapath that passes its self-tests, and says in one line which
# and why it is not a better one. A datapath that is named is never replaced.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load doctor_lib

setup_file() { e2e_setup_file; }
setup() {
	run_setup
	hindrances
}
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

# told TEXT - the one line of the datapath is that
told() {
	local line

	line=$(grep -w datapath "$dir/portshunt.err")
	[ "$line" = "portshunt: datapath $1" ] && return
	printf 'expected: datapath %s\n' "$1"
	sed 's/^/portshunt said: /' "$dir/portshunt.err"
	return 1
}

@test "auto is what the doctor says, in one line, and it carries" {
	netns_make
	what_can_run
	httpd 80 "$ns"
	for option in "" "--datapath auto"; do
		portshunt_start attach --netns "$ns" $option -p 80
		told "$best${reason:+: $reason}"
		published 80
		pages "$port"
		portshunt_stop TERM
		[ "$status" = 0 ]
	done
}

@test "the line is of level info, and there is none where nothing is published" {
	for quiet in "--log-level warn -p 127.0.0.1::80" "--log-level info"; do
		portshunt_start run --network none $quiet -- sleep 60
		not grep -w datapath "$dir/portshunt.err"
		portshunt_stop TERM
	done
	what_can_run
	export LINE="datapath $best${reason:+: $reason}"
	portshunt_start run --network none --log-json -p 127.0.0.1::80 -- sleep 60
	perl -MJSON::PP -ne '$o = decode_json($_);
		$n++ if $o->{level} eq "info" && $o->{msg} eq $ENV{LINE};
		END { exit($n != 1) }' "$dir/portshunt.err" || {
		cat "$dir/portshunt.err"
		return 1
	}
}

@test "auto without privileges, types, bpf(2), lo: splice, and the one line says why" {
	# run needs this one itself
	unset "without[CAP_NET_ADMIN]"
	for name in "${!without[@]}"; do
		echo "without $name:"
		wrap=(${without[$name]})
		portshunt_start run --network none -p 127.0.0.1::80 -- busybox httpd -f -p 80 -h "$dir/www"
		told "splice: not the shunt, since ${because[$name]}"
		published 80
		[ "$name" = lo ] || eventually 5 page "http://127.0.0.1:$port/"
		portshunt_stop TERM
		all_gone
	done
}

@test "auto as an ordinary user" {
	as user
	portshunt_start run --tmpdir "$tmpdir" -p 80 -- busybox httpd -f -p 80 -h "$dir/www"
	told "splice: not the shunt, since ${because[privileges]}"
	published 80
	eventually 5 page "http://127.0.0.1:$port/"
}

@test "--datapath=shunt insists: what hinders it is an error" {
	for name in "${!without[@]}"; do
		echo "without $name:"
		run -125 ${without[$name]} "$PORTSHUNT" run --network none --datapath shunt -p 127.0.0.1::80 true
		echo "$output"
		[[ $output == "portshunt: datapath shunt: ${because[$name]}"* ]]
		[ "${#lines[@]}" = 1 ]
		all_gone
	done
}

@test "--datapath=shunt insists: what applications can notice is a warning" {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	netns_make
	what_can_run
	portshunt_start attach --netns "$ns" --datapath shunt -p 80
	sed -i '/^portshunt: warning: datapath shunt: /w '"$dir/warnings"'
		//d' "$dir/portshunt.err"
	told shunt
	if [ -z "$reason" ]; then
		[ ! -s "$dir/warnings" ]
	else
		grep -q "${reason#*, since }" "$dir/warnings"
		[ "$(wc -l <"$dir/warnings")" = 1 ]
	fi
}

@test "--datapath=splice: no word about others" {
	portshunt_start run --network none --datapath splice -p 127.0.0.1::80 -- sleep 60
	told splice
}
