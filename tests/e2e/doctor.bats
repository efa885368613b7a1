# SPDX-License-Identifier: Apache-2.0
# portshunt doctor tells every test and its result, and what `auto` makes of them.

bats_require_minimum_version 1.5.0
load lib
load doctor_lib

setup_file() { e2e_setup_file; }
setup() {
	e2e_setup
	hindrances
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# result_of DATAPATH TEST - sets $result to what $output says of it
result_of() {
	result=$(grep "^$1 \+$2 " <<<"$output" | sed -E "s/^$1 +$2 +(ok|degraded|differs|failed|not possible).*/\1/")
	[ -n "$result" ] || { echo "no test $1 $2 in: $output"; return 1; }
}

@test "every test and its result, then what auto would pick" {
	run -0 --separate-stderr "$PORTSHUNT" doctor
	echo "$output"
	[ -z "$stderr" ]
	[ "${lines[0]}" = "Linux $(uname -r), user id $(id -u)" ]
	[[ ${lines[-1]} =~ ^"auto would pick "(shunt|shunt: one direction of a connection at a time, since .+|splice: not the shunt, since .+)$ ]]
	for test in "pipe size" "bytes arrive"; do
		result_of splice "$test"
		[ "$result" = ok ]
	done
	if [ "${BPF:-1}" = 0 ]; then
		result_of shunt "built in"
		[ "$result" = "not possible" ]
		return
	fi
	for test in privileges "kernel types" "programs load" capture "one direction" order doorbell "missing target" \
		rescue; do
		result_of shunt "$test"
		[ "$result" = ok ] || [ "$(id -u)" != 0 ]
	done
	result_of shunt FIONREAD
	[ "$(id -u)" != 0 ] || [ "$result" = ok ] || [ "$result" = differs ]
}

@test "--json says the same" {
	run -0 --separate-stderr "$PORTSHUNT" doctor --json
	[ -z "$stderr" ]
	[ "${#lines[@]}" = 1 ]
	echo "$output" >"$dir/json"
	"$PORTSHUNT" doctor >"$dir/table"
	perl -MJSON::PP -e '
		sub content { local $/; open(my $f, "<", shift) or die; <$f> }
		my ($json, $table) = (decode_json(content($ARGV[0])), content($ARGV[1]));
		die "kernel" if $table !~ /^Linux \Q$json->{kernel}\E,/;
		my @rows = $table =~ /^(?:shunt|sockmap|splice) .*/mg;
		die "rows" if @rows != @{$json->{tests}};
		for my $t (@{$json->{tests}}) {
			my $row = shift @rows;
			die $row if $row !~ /^$t->{datapath} +$t->{test} +$t->{result}( +\Q$t->{found}\E)?$/;
			die $t->{advice} if index($table, $t->{advice}) < 0;
		}
		my $passed = !grep { $_->{datapath} eq "shunt" && $_->{result} ne "ok" &&
			!($_->{test} eq "FIONREAD" && $_->{result} eq "differs") } @{$json->{tests}};
		die "auto" if ($json->{auto}{datapath} eq "shunt") != $passed;
		my $would = "auto would pick $json->{auto}{datapath}";
		$would .= ": $json->{auto}{why}" if $json->{auto}{why} ne "";
		die $would if $table !~ /^\Q$would\E$/m;' "$dir/json" "$dir/table"
}

@test "what hinders the shunt is named, and what to do" {
	for name in "${!without[@]}"; do
		echo "without $name:"
		run -0 --separate-stderr ${without[$name]} "$PORTSHUNT" doctor
		echo "$output" "$stderr"
		[ -z "$stderr" ]
		[ "${lines[-1]}" = "auto would pick splice: not the shunt, since ${because[$name]}" ]
		# above, with what to do on the next line
		[[ $(grep -A 1 "^shunt .* not possible ${because[$name]}$" <<<"$output" | sed -n 2p) == "    "* ]]
		# the other tests are there all the same
		[ "${BPF:-1}" = 0 ] || result_of shunt rescue
		[ "${BPF:-1}" = 0 ] || [ "$result" = "not possible" ]
	done
}

@test "kernel.unprivileged_bpf_disabled is a hint for an ordinary user" {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	[ "$(cat /proc/sys/kernel/unprivileged_bpf_disabled)" != 0 ] || skip "it is 0 here"
	run -0 ${without[privileges]} "$PORTSHUNT" doctor
	[[ $output == *"start it as root; kernel.unprivileged_bpf_disabled forbids bpf(2) to others"* ]]
}

@test "no connection stays behind, not even in TIME_WAIT" {
	need_root
	netns_make
	nsenter --net="$ns" "$PORTSHUNT" doctor
	[ -z "$(nsenter --net="$ns" ss -Htan)" ]
}

@test "too few files, and it still tells" {
	for n in 6 7 9; do
		run -0 prlimit --nofile=$n:$n "$PORTSHUNT" doctor
		echo "$output"
		[[ ${lines[-1]} == "auto would pick splice: not the shunt, since "* ]]
	done
}

@test "an option or an argument that there is not, and a stdout that takes nothing" {
	run -125 "$PORTSHUNT" doctor --bogus
	[ "$output" = "portshunt: unknown option --bogus: portshunt doctor --help lists them" ]
	run -125 "$PORTSHUNT" doctor me
	[ "$output" = 'portshunt: doctor takes no argument: what is "me"?' ]
	run -0 "$PORTSHUNT" doctor --help
	[ "${lines[0]}" = "Usage: portshunt doctor [--json]" ]
	for option in "" --json --help; do
		status=0
		"$PORTSHUNT" doctor $option >/dev/full 2>"$dir/err" || status=$?
		[ "$status" = 125 ]
		[ "$(<"$dir/err")" = "portshunt: cannot write to stdout: no space left on device" ]
	done
}

@test "pipe size: what this user's other pipes take up is no property of the machine" {
	need_root
	cat >"$dir/pipes" <<-'END'
		use Fcntl;
		$^F = 1000;
		# pipes of 1 MiB until no more can have that size: F_SETPIPE_SZ
		for (1 .. 200) {
			pipe my $r, my $w or last;
			push @keep, $r, $w;
			$full = 1, last unless fcntl $w, 1031, 1 << 20;
		}
		$full or print "# the limit was not reached\n";
		exec @ARGV;
	END
	wrap=(setpriv --reuid 65534 --regid 65534 --clear-groups perl "$dir/pipes")
	run -0 "${wrap[@]}" "$PORTSHUNT" doctor
	[[ $output != *"limit was not reached"* ]] || skip "pipes of this user are not limited"
	result_of splice "pipe size"
	[ "$result" = ok ]
	# with a limit that no user can get below it is
	echo 65536 >"$dir/max"
	run -0 unshare --mount sh -c 'mount --bind "$1" /proc/sys/fs/pipe-max-size && shift && exec "$@"' \
		- "$dir/max" "${wrap[@]}" "$PORTSHUNT" doctor
	result_of splice "pipe size"
	[ "$result" = degraded ]
	[[ $output == *"slower: raise fs.pipe-max-size"* ]]
}
