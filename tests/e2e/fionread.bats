# SPDX-License-Identifier: Apache-2.0
# FIONREAD, which nginx, Java and .NET ask, is right at both ends of a connection under `auto`,
# on every kernel, also on those where it is wrong on a captured socket with unread bytes.

load lib
load doctor_lib

setup_file() { e2e_setup_file; }
setup() {
	e2e_setup
	netns_make
}
teardown() { e2e_teardown; }
teardown_file() { e2e_teardown_file; }

# answers DATAPATH - both ends ask in ROUNDS requests, answers, uploads and downloads; sets
# $asked and $wrong to how often both ends did while bytes were unread, and got a wrong answer
answers() {
	portshunt_start attach --netns "$ns" --control "$dir/control" --child-ip 127.0.0.1 \
		--log-level debug --datapath "$1" -p 7000
	published 7000
	run "$ASKER" "$ns" 7000 "$port" "${ROUNDS:-3000}"
	echo "$output" | tee "$dir/asker"
	[ "$status" = 0 ]
	"$PORTSHUNT" stats --control "$dir/control" --json >"$dir/stats"
	for end in client server; do
		[ "$(awk -v end=$end '$1 == end { print $2 }' "$dir/asker")" -gt 100 ]
	done
	asked=$(awk '{ n += $2 } END { print n }' "$dir/asker")
	wrong=$(awk '{ n += $3 } END { print n }' "$dir/asker")
	echo "# $1: asked $asked times with unread bytes, $wrong wrong; $(grep -o '"total":{[^}]*}' "$dir/stats")" >&3
}

# captures WHO - how often the socket of WHO was captured
captures() {
	grep -c "captured: the $1's socket" "$dir/portshunt.err"
}

@test "auto: every answer is right at both ends, while both are captured again and again" {
	what_can_run
	answers auto
	[ "$wrong" = 0 ]
	[ "$best" = shunt ] || skip "auto is $best here: $reason"
	[ -n "$reason" ] || return 0 # FIONREAD is right here: they stay captured
	[ "$(captures client)" -gt 1 ]
	[ "$(captures container)" -gt 1 ]
	grep -qE '"(up|down)_redirected":[1-9]' "$dir/stats"
}

@test "--datapath=shunt: what its warning says of FIONREAD is what applications meet" {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	what_can_run
	answers shunt
	sed -i '/^portshunt: warning: datapath shunt: /w '"$dir/warnings"'
		//d' "$dir/portshunt.err"
	if grep -q FIONREAD "$dir/warnings"; then
		[ "$wrong" -gt 0 ]
	else
		[ "$wrong" = 0 ]
	fi
}

# served BYTES - answers of so many are asked for over one connection
served() {
	"$PEER" client rr --epoll --seconds 0.5 --response "$1" 127.0.0.1 "$port"
}

@test "auto: where the next request would end it, a capture does not begin for a short answer" {
	what_can_run
	[ "$best" = shunt ] || skip "auto is $best here: $reason"
	portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --log-level debug -p 7000
	published 7000
	peer_start server server bench --epoll --netns "$ns" --port 7000
	served 300000
	if [ -z "$reason" ]; then # FIONREAD is right here: both directions stay captured
		[ "$(captures container)" = 1 ]
		return 0
	fi
	[ "$(captures container)" = 0 ]
	served 4000000
	[ "$(captures container)" -gt 0 ]
}
