# SPDX-License-Identifier: Apache-2.0
# Podman's reload socket: what `podman network connect`, `disconnect` and `reload` say to it.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load rootlessport_lib

setup_file() { e2e_setup_file; }
setup() {
	rootlessport_setup
	netns_make
	httpd 80 "$ns"
	free_port
	published_ports+=("$port")
	config ',"RootlessCNI":true' "$(mapping "$port" 80)"
}
teardown() { rootlessport_teardown; }
teardown_file() { e2e_teardown_file; }

# holder NAME - a client whose connection is open
holder() {
	peer_start "$1" client hold --ping --control 127.0.0.1 "$port"
	peer_read "$1"
	[ "$line" = "holding 1" ]
}

@test "OK, and connections go to the address that was told" {
	ip -n "pstest-$$-1" addr add 10.9.9.9/32 dev lo
	helper_go
	[ "$(reload $'"10.9.9.9"\n')" = OK ]
	page "http://127.0.0.1:$port/"
	[ "$(reload '"127.0.0.2"')" = OK ]
	page "http://127.0.0.1:$port/"
	# nobody has this one: it is used all the same
	[ "$(reload '"127.0.0.1"' 'null' '""')" = $'OK\nOK\nOK' ]
	page "http://127.0.0.1:$port/"
	[ "$(stat -c %a "$tmpdir/t/rp/c0ffee")" = 600 ]
}

@test "a connection survives a reload of the same address, and ends with another" {
	ended() { peer_ask one status && [[ $line == *"eof: 1"* ]]; }
	config ',"RootlessCNI":true' "$(mapping "$port" 7000)"
	helper_go
	peer_start server server hold --connections 2 --control --netns "$ns" --port 7000
	holder one
	[ "$(reload '"127.0.0.1"')" = OK ]
	peer_ask one "ping 5000"
	[ "$line" = "answered 1, silent 0" ]
	[ "$(reload '"127.0.0.2"')" = OK ]
	eventually 5 ended
	holder two
	peer_ask two "ping 5000"
	[ "$line" = "answered 1, silent 0" ]
}

@test "what cannot be done is told, and changes nothing" {
	helper_go
	reload '"x"' '"fe80::1%lo"' '7' '["127.0.0.1"]' '{' '' '@shut' "\"$(printf '%2000s' '')\"" \
		>"$dir/replies"
	cat "$dir/replies"
	diff - "$dir/replies" <<-'END'
		rootless port failed to add port: invalid ChildIP: "x"
		rootless port failed to add port: invalid ChildIP: "fe80::1%lo"
		rootless port failed to decode ports: json: cannot unmarshal number into Go value of type string
		rootless port failed to decode ports: json: cannot unmarshal array into Go value of type string
		rootless port failed to decode ports: unexpected end of JSON input
		rootless port failed to decode ports: EOF
		rootless port failed to decode ports: EOF

	END
	page "http://127.0.0.1:$port/"
	[ "$(reload '"127.0.0.1"')" = OK ]
}

@test "who says nothing keeps nobody waiting, and is not waited for" {
	local silent=(@silent @silent @silent @silent @silent)

	helper_go
	# 25 are more than it serves at once: the first must go; all must within 30 s
	reload "${silent[@]}" "${silent[@]}" "${silent[@]}" "${silent[@]}" "${silent[@]}" \
		'"127.0.0.1"' >"$dir/replies"
	[ "$(head -1 "$dir/replies")" = OK ]
	[ "$(grep -c '^silent: ' "$dir/replies")" = 25 ]
}

# everybody_may_connect - the modes of the socket and its directories keep nobody out
everybody_may_connect() {
	local path=$tmpdir/t/rp

	while [ "$path" != / ] && [ "$path" != /tmp ]; do
		chmod a+rx "$path"
		path=${path%/*}
	done
	chmod 666 "$tmpdir/t/rp/c0ffee"
}

@test "who is neither root nor the user of rootlessport is refused" {
	user_need
	need_root
	helper_go
	everybody_may_connect
	rp=$tmpdir/t/rp/c0ffee
	run as_user perl "$e2e_root/tests/tools/seqpacket.pl" "$rp" '"127.0.0.2"' '' '@silent'
	denied="access denied: user id $(id -u pstest) is neither root nor the user of this rootlessport"
	[ "$output" = "$denied"$'\n'"$denied"$'\n'"silent: $denied" ]
	run -125 as_user "$PORTSHUNT" reload --podman "$rp" 127.0.0.2
	[ "$output" = "portshunt: port reloading failed: $denied" ]
	[ "$(reload '"127.0.0.1"')" = OK ]
	page "http://127.0.0.1:$port/"
}

@test "rootless, its user may reload, from outside the user namespace, too" {
	user_need
	need_root
	config ',"RootlessCNI":true,"NetNSPath":"/proc/@NSPID/ns/net"' "$(mapping "$port" 80)"
	user_namespaces
	helper_start "$ours" "${wrapped[@]}"
	[ "$ready" = 1 ]
	everybody_may_connect
	rp=$tmpdir/t/rp/c0ffee
	[ "$(as_user perl "$e2e_root/tests/tools/seqpacket.pl" "$rp" '"127.0.0.2"')" = OK ]
	as_user "$PORTSHUNT" reload --podman "$rp" 127.0.0.1
	# the root of the host has no id there, as nobody else has
	[ "$(reload '"127.0.0.2"')" = "access denied: user id 65534 is neither root nor the user of this rootlessport" ]
	run -125 "$PORTSHUNT" reload --podman "$rp" 127.0.0.1
	who=$(id -u pstest)
	[ "$output" = "portshunt: could not reload rootless port mappings: $rp: user id $who listens at it, not root or the user who asks, and was asked nothing; run this as user id $who if its container is meant" ]
}

@test "a TmpDir longer than the address of a socket" {
	local long

	long=$(printf 'a%.0s' {1..100})
	config ",\"TmpDir\":\"$tmpdir/$long/$long\",\"RootlessCNI\":true" "$(mapping "$port" 80)"
	helper_go
	rp=$tmpdir/$long/$long/rp/c0ffee
	[ "$(reload '"127.0.0.1"')" = OK ]
	page "http://127.0.0.1:$port/"
	helper_exit
	[ "$status" = 0 ]
	[ ! -e "$rp" ]
}

@test "portshunt reload --podman: the client of that socket, ours and the original's" {
	local program long rp status=0

	client() { "$PORTSHUNT" reload --podman "$@" 2>"$dir/said"; }
	long=$(printf 'a%.0s' {1..64})
	rp=$tmpdir/t/rp/$long
	config ",\"ContainerID\":\"$long\",\"RootlessCNI\":true" "$(mapping "$port" 80)"
	for program in "$ours" $original; do
		helper_start "$program"
		[ "$ready" = 1 ]
		client "$rp" 127.0.0.2 || { cat "$dir/said"; false; }
		[ ! -s "$dir/said" ]
		page "http://127.0.0.1:$port/"
		client "$rp" x || status=$?
		[ "$status" = 125 ]
		grep -qF 'port reloading failed: rootless port failed to add port: invalid ChildIP: "x"' \
			"$dir/said"
		helper_exit
	done
	status=0
	client "$rp" 127.0.0.1 || status=$?
	[ "$status" = 125 ]
	grep -q "could not reload rootless port mappings, .*: $rp: no such file or directory" "$dir/said"
	status=0
	client "$rp" 127.0.0.1 127.0.0.2 || status=$?
	[ "$status" = 125 ]
	grep -q 'one address' "$dir/said"
}
