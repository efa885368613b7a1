# SPDX-License-Identifier: Apache-2.0
# What portshunt makes of a configuration, next to podman's own rootlessport: stdout, the exit
# status, whether it gets ready, the sockets that listen then, and the files then and at the
# end. A case is a line: NAME|WHAT THE ORIGINAL DOES; where we mean to do something else, and
# why, is in differences() alone. The original is run too, where it is installed.
#
# @P to @P3 are free ports; a result is "ready SOCKETS; FILES; FILES AT THE END" or
# "STATUS: STDOUT; FILES", and the original's state directory is never mentioned.

bats_require_minimum_version 1.5.0
load lib
load run_lib
load rootlessport_lib

setup_file() { e2e_setup_file; }
setup() {
	rootlessport_setup
	free_port 4
}
teardown() { rootlessport_teardown; }
teardown_file() { e2e_teardown_file; }

# differences - NAME|OUR RESULT, each with its reason
differences() {
	local rp="t t/rp"

	cat <<-END
		# json.h names the place of a mistake; Go names the character
		syntax|1: invalid JSON at byte 1: quoted object property name expected;
		trailing|1: invalid JSON at byte 3: unexpected character;
		# podman 5.4 says so; what the original says is of no use to anybody
		sctp|1: unsupported port protocol sctp; $rp
		# ours can be told before anything is made; the original says it to /dev/null, or never
		no such ReadyFD|1: ReadyFD 77: bad file descriptor;
			ExitFD is stdout|1: invalid ExitFD;
		# it would remove the directory rp; or a file anywhere
		empty ContainerID|1: ContainerID "" does not do in a file name;
		slash in ContainerID|1: ContainerID "../x" does not do in a file name;
		# ours looks at what the file is first
		mount namespace|1: /proc/self/ns/mnt is not a network namespace; $rp
		# podman 3 is not told that its ports are open when none is
		podman 3|ready tcp *:@P; $rp; $rp
		# podman 6: 0.0.0.0 is IPv4 alone, :: is IPv6 alone, and a port may have both
		no address|ready tcp 0.0.0.0:@P; $rp; $rp
		::|ready tcp [::]:@P; $rp; $rp
		busy ::|1: listen tcp [::]:@P1: bind: address already in use; $rp
		0.0.0.0 and ::|ready tcp 0.0.0.0:@P tcp [::]:@P; $rp; $rp
		:: and 0.0.0.0|ready tcp 0.0.0.0:@P tcp [::]:@P; $rp; $rp
		ranges of both|ready tcp 0.0.0.0:@P tcp 0.0.0.0:@P1 tcp 0.0.0.0:@P2 tcp [::]:@P tcp [::]:@P1 tcp [::]:@P2; $rp; $rp
		both of udp|ready udp 0.0.0.0:@P udp [::]:@P; $rp; $rp
		tcp6 of none|ready tcp [::]:@P; $rp; $rp
	END
}

# result PROGRAM [WRAP...] - of $dir/config
result() {
	local text files

	helper_start "$@"
	files=$(files)
	if [ "$ready" = 1 ]; then
		text="ready $(sockets); $files; "
		helper_exit
		echo "$text$(files)"
	else
		helper_wait
		text=$(cat "$dir/helper.out")
		echo "$status: ${text//$port/@P}; $(files)" | sed "s/$((port + 1))/@P1/g; s/ $//"
	fi
	rm -rf "$tmpdir/t"
}

files() {
	[ ! -e "$tmpdir/t" ] || (cd "$tmpdir" && find t | grep -v '^t/rootlessport[0-9]' | sort | xargs)
}

# sockets - "tcp *:@P udp [::1]:@P1 …"
sockets() {
	local i list

	list=$(ss -Htuln "sport >= :$port and sport < :$((port + 4))" | awk '{ print $1, $5 }' | sort)
	list=${list//:$port/:@P}
	for i in 1 2 3; do
		list=${list//:$((port + i))/:@P$i}
	done
	echo $list
}

# ours_is NAME ORIGINAL - sets $expected to what ours does
ours_is() {
	expected=$(differences | sed -n "s/^$1|//p")
	[ -n "$expected" ] || expected=$2
}

# older_go - stdin in the words of Go before 1.27, which names the members of a list otherwise
older_go() {
	sed -E 's/(field )Config\.Mappings\.[0-9]+\.([a-z_]+ of type)/\1PortMapping.Mappings.\2/
		s/into (Go struct field )?(Config\.Mappings)\.[0-9]+ of type/into Go struct field \2 of type/'
}

# same NAME RESULT [WRAP...] - of $dir/config: the original's is RESULT, ours too or as listed
same() {
	local name=$1 original_is=$2 expected got failed=0

	shift 2
	ours_is "$name" "$original_is"
	got=$(result "$ours" "$@")
	if [ "$got" != "$expected" ]; then
		printf '%s: ours\n  %s\nexpected\n  %s\n' "$name" "$got" "$expected"
		failed=1
	fi
	if [ -n "$original" ]; then
		got=$(result "$original" "$@" | older_go)
		if [ "$got" != "$original_is" ]; then
			printf '%s: the original\n  %s\nexpected\n  %s\n' "$name" "$got" "$original_is"
			failed=1
		fi
	fi
	return $failed
}

# check NAME MEMBERS RESULT [MAPPING...] - a configuration, run in $wrapped if that is set
check() {
	local name=$1 members=$2 result=$3

	shift 3
	config "$members" "$@"
	same "$name" "$result" "${wrapped[@]}" || bad+=("$name")
}

# raw NAME TEXT RESULT - stdin as it is
raw() {
	printf '%s' "$2" >"$dir/config"
	same "$1" "$3" || bad+=("$1")
}

@test "what is not podman's object" {
	bad=() ns=/run/netns/none
	raw nothing '' "1: unexpected end of JSON input;"
	raw cut '{"Mappings":[' "1: unexpected end of JSON input;"
	raw syntax '{x' "1: invalid character 'x' looking for beginning of object key string;"
	raw trailing '{} x' "1: invalid character 'x' after top-level value;"
	raw array '[]' "1: json: cannot unmarshal array into Go value of type rootlessport.Config;"
	raw number '7' "1: json: cannot unmarshal number into Go value of type rootlessport.Config;"
	raw null 'null' "1: missing NetNSPath;"
	raw empty '{}' "1: missing NetNSPath;"
	raw 'no ExitFD' '{"NetNSPath":"x"}' "1: missing ExitFD;"
	raw 'no ReadyFD' '{"NetNSPath":"x","ExitFD":3}' "1: missing ReadyFD;"
	raw 'negative' '{"NetNSPath":"x","ExitFD":-3}' "1: missing ExitFD;"
	[ ${#bad[@]} = 0 ]
}

@test "members of the wrong type" {
	local go="1: json: cannot unmarshal" field="into Go struct field"

	bad=() ns=/run/netns/none
	check mappings ',"Mappings":{}' "$go object $field Config.Mappings of type []types.PortMapping;"
	check mapping '' "$go number $field Config.Mappings of type types.PortMapping;" 5
	check 'host_ip' '' "$go number $field PortMapping.Mappings.host_ip of type string;" '{"host_ip":5}'
	check 'protocol' '' "$go bool $field PortMapping.Mappings.protocol of type string;" '{"protocol":true}'
	check 'port text' '' "$go string $field PortMapping.Mappings.host_port of type uint16;" \
		'{"host_port":"80"}'
	check 'port 70000' '' \
		"$go number 70000 $field PortMapping.Mappings.host_port of type uint16;" '{"host_port":70000}'
	check 'port -1' '' \
		"$go number -1 $field PortMapping.Mappings.container_port of type uint16;" \
		'{"container_port":-1}'
	check 'range 1.5' '' "$go number 1.5 $field PortMapping.Mappings.range of type uint16;" \
		'{"range":1.5}'
	check 'NetNSPath' ',"NetNSPath":[]' "$go array $field Config.NetNSPath of type string;"
	check 'ExitFD' ',"ExitFD":"3"' "$go string $field Config.ExitFD of type int;"
	check 'ReadyFD' ',"ReadyFD":4.5' "$go number 4.5 $field Config.ReadyFD of type int;"
	check 'TmpDir' ',"TmpDir":1' "$go number $field Config.TmpDir of type string;"
	check 'ChildIP' ',"ChildIP":1' "$go number $field Config.ChildIP of type string;"
	check 'ContainerID' ',"ContainerID":{}' "$go object $field Config.ContainerID of type string;"
	check 'RootlessCNI' ',"RootlessCNI":"x"' "$go string $field Config.RootlessCNI of type bool;"
	[ ${#bad[@]} = 0 ]
}

@test "keys in any case, unknown ones, null, and those of podman 3" {
	local rp="t t/rp"

	bad=()
	netns_make
	check case ',"EXITFD":0' "1: missing ExitFD;"
	check unknown ',"New":[{"x":null}]' "ready tcp *:@P; $rp; $rp" \
		"{\"HOST_PORT\":$port,\"Container_Port\":80,\"range\":1,\"protocol\":\"tcp\",\"x\":1}"
	check null ',"ChildIP":null,"RootlessCNI":null' "ready tcp *:@P; $rp; $rp" null \
		"{\"host_ip\":null,\"host_port\":$port,\"container_port\":80,\"range\":1,\"protocol\":\"tcp\"}"
	check "podman 3" '' "ready ; $rp; $rp" \
		"{\"hostPort\":$port,\"containerPort\":80,\"protocol\":\"tcp\",\"hostIP\":\"\"}"
	[ ${#bad[@]} = 0 ]
}

# The cases of ports; what is said of a busy one is the same for everybody.
ports_open() {
	local rp="t t/rp" m=mapping p=$port both="1: listen tcp 0.0.0.0:@P"
	local busy="bind: address already in use"

	check "none" '' "ready ; $rp; $rp"
	check "tcp" '' "ready tcp *:@P; $rp; $rp" "$($m $p 80)"
	check "udp" '' "ready udp *:@P; $rp; $rp" "$($m $p 80 udp)"
	check "both" '' "ready tcp *:@P udp *:@P; $rp; $rp" "$($m $p 80 tcp,udp)"
	check "range" '' "ready tcp *:@P tcp *:@P1 tcp *:@P2; $rp; $rp" "$($m $p 80 tcp 3)"
	check "range 0" '' "ready ; $rp; $rp" "$($m $p 80 tcp 0)"
	check "range 0 of nonsense" '' "ready ; $rp; $rp" "$($m 0 0 magic 0 x)"
	check "address" '' "ready tcp 127.0.0.1:@P; $rp; $rp" "$($m $p 80 tcp 1 127.0.0.1)"
	check "tcp4" '' "ready tcp 0.0.0.0:@P; $rp; $rp" "$($m $p 80 tcp4)"
	check "no address" '' "ready tcp *:@P; $rp; $rp" "$($m $p 80 tcp 1 0.0.0.0)"
	has_ipv6 || return 0
	check "::1" '' "ready tcp [::1]:@P; $rp; $rp" "$($m $p 80 tcp 1 ::1)"
	check "::" '' "ready tcp *:@P; $rp; $rp" "$($m $p 80 tcp 1 ::)"
	check "tcp6" '' "ready tcp [::]:@P; $rp; $rp" "$($m $p 80 tcp6 1 ::)"
	check "both families" '' "ready tcp 127.0.0.1:@P tcp [::1]:@P; $rp; $rp" \
		"$($m $p 80 tcp 1 127.0.0.1)" "$($m $p 81 tcp 1 ::1)"
	check "0.0.0.0 and ::" '' "$both: $busy; $rp" "$($m $p 80 tcp 1 0.0.0.0)" "$($m $p 81 tcp 1 ::)"
	check ":: and 0.0.0.0" '' "$both: $busy; $rp" "$($m $p 80 tcp 1 ::)" "$($m $p 81 tcp 1 0.0.0.0)"
	check "ranges of both" '' "$both: $busy; $rp" "$($m $p 80 tcp 3 0.0.0.0)" \
		"$($m $p 80 tcp 3 ::)"
	check "both of udp" '' "1: listen udp [::]:@P: $busy; $rp" "$($m $p 80 udp 1 0.0.0.0)" \
		"$($m $p 80 udp 1 ::)"
	check "tcp6 of none" '' "1: listen tcp6: address 0.0.0.0: no suitable address found; $rp" \
		"$($m $p 80 tcp6)"
}

ports_refused() {
	local rp="t t/rp" m=mapping p=$port null="'\\x00'"

	check "host port 0" '' "1: invalid ParentPort: $null; $rp" "$($m 0 80)"
	check "container port 0" '' "1: invalid ChildPort: $null; $rp" "$($m $p 0)"
	check "past the end" '' "1: invalid ParentPort: $null; $rp" "$($m 65535 80 udp 2)"
	check "the container's too" '' "1: invalid ChildPort: $null; $rp" "$($m $p 65535 tcp 2)"
	check "protocol" '' '1: unknown proto: "magic"; '"$rp" "$($m $p 80 magic)"
	check "capitals" '' '1: unknown proto: "TCP"; '"$rp" "$($m $p 80 TCP)"
	check "empty protocol" '' '1: unknown proto: ""; '"$rp" "$($m $p 80 tcp,)"
	check "blank" '' '1: unknown proto: " udp"; '"$rp" "$($m $p 80 'tcp, udp')"
	check "sctp" '' "1: spec was not validated?; $rp" "$($m $p 80 sctp)"
	check "host address" '' '1: invalid ParentIP: "x y"; '"$rp" "$($m $p 80 tcp 1 'x y')"
	check "zone" '' '1: invalid ParentIP: "fe80::1%lo"; '"$rp" "$($m $p 80 tcp 1 fe80::1%lo)"
	check "ChildIP of a port" ',"ChildIP":"x"' '1: invalid ChildIP: "x"; '"$rp" "$($m $p 80)"
	check "ChildIP of none" ',"ChildIP":"x"' "ready ; $rp; $rp"
	check "family" '' "1: listen tcp4: address ::1: no suitable address found; $rp" \
		"$($m $p 80 tcp4 1 ::1)"
	check "no such address" '' \
		"1: listen tcp 192.0.2.1:@P: bind: cannot assign requested address; $rp" \
		"$($m $p 80 tcp 1 192.0.2.1)"
	check "twice" '' "1: conflict with ID 1; $rp" "$($m $p 80)" "$($m $p 81)"
	check "twice in ranges" '' "1: conflict with ID 3; $rp" "$($m $p 80 tcp 3)" \
		"$($m $((p + 2)) 90 tcp 2)"
	check "twice, once of all" '' "1: conflict with ID 1; $rp" "$($m $p 80)" \
		"$($m $p 81 tcp 1 0.0.0.0)"
	check "twice in other words" '' "1: listen tcp 0.0.0.0:@P: bind: address already in use; $rp" \
		"$($m $p 80 tcp 1 127.0.0.1)" "$($m $p 80)"
	check "the first mistake counts" '' '1: unknown proto: "x"; '"$rp" "$($m $p 80)" \
		"$($m $p 80 x)" "$($m $p 80)"
}

ports_busy() {
	local rp="t t/rp" m=mapping p=$port busy="bind: address already in use"

	peer_start tcp server hold --control --port "$((p + 1))"
	check "busy" '' "1: listen tcp 0.0.0.0:@P1: $busy; $rp" "$($m $p 80 tcp 3)"
	check "busy tcp4" '' "1: listen tcp4 127.0.0.1:@P1: $busy; $rp" \
		"$($m $((p + 1)) 80 tcp4 1 127.0.0.1)"
	check "busy ::" '' "1: listen tcp 0.0.0.0:@P1: $busy; $rp" "$($m $((p + 1)) 80 tcp 1 ::)"
	peer_kill tcp
	peer_start udp server udp-echo --control --port "$((p + 1))"
	check "busy udp" '' "1: listen udp 0.0.0.0:@P1: $busy; $rp" "$($m $p 80 tcp,udp 3)"
	peer_kill udp
}

@test "ports" {
	bad=()
	netns_make
	ports_open
	ports_refused
	ports_busy
	[ ${#bad[@]} = 0 ]
}

@test "namespaces, directories, descriptors" {
	local rp="t t/rp" long

	bad=() ns=/run/netns/none
	check "no namespace" '' "1: failed to Statfs \"$ns\": no such file or directory; $rp"
	check "quoted" ',"NetNSPath":"/x\"\n"' \
		'1: failed to Statfs "/x\"\n": no such file or directory; '"$rp"
	check "another file" ',"NetNSPath":"/etc/passwd"' \
		"1: unknown FS magic on \"/etc/passwd\": $(stat -fc %t /etc/passwd); $rp"
	check "mount namespace" ',"NetNSPath":"/proc/self/ns/mnt"' \
		"1: error switching to ns /proc/self/ns/mnt: Error switching to ns /proc/self/ns/mnt: invalid argument; $rp"
	netns_make
	check "no ReadyFD" ',"ReadyFD":0' "1: missing ReadyFD;"
	check "TmpDir in proc" ',"TmpDir":"/proc/x"' "1: mkdir /proc/x: no such file or directory;"
	check "TmpDir is a file" ',"TmpDir":"/dev/null"' "1: mkdir /dev/null: not a directory;"
	check "no such ReadyFD" ',"ReadyFD":77' "1: ; $rp"
	check "ExitFD is stdout" ',"ExitFD":1' "ready ; $rp; $rp"
	check "empty ContainerID" ',"RootlessCNI":true,"ContainerID":""' \
		"1: no such file or directory; t"
	# the path of the reload socket is too long for an address, TmpDir is not
	long=$(printf 'a%.0s' {1..64})
	check "long" ",\"RootlessCNI\":true,\"ContainerID\":\"$long\"" "ready ; $rp t/rp/$long; $rp"
	check "reload socket" ',"RootlessCNI":true' "ready ; $rp t/rp/c0ffee; $rp"
	check "slash in ContainerID" ',"RootlessCNI":true,"ContainerID":"../x"' \
		"ready ; $rp t/x; $rp"
	[ ${#bad[@]} = 0 ]
}

@test "an ordinary user: ports, busy and privileged ones" {
	local start rp="t t/rp"

	bad=()
	user_need
	user_namespaces
	start=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
	ports_open
	ports_busy
	if [ "$start" -gt 80 ]; then
		check "privileged" '' "1: cannot expose privileged port 80, you can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently $start), or choose a larger port number (>= $start): listen tcp 0.0.0.0:80: bind: permission denied; $rp" \
			"$(mapping 80 80)"
	fi
	[ ${#bad[@]} = 0 ]
}
