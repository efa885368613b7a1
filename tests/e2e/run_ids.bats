# SPDX-License-Identifier: Apache-2.0
# The ids that an ordinary user's COMMAND has.

bats_require_minimum_version 1.5.0
load lib
load run_lib

setup_file() { e2e_setup_file; }
setup() { run_setup; }
teardown() { run_teardown; }
teardown_file() { e2e_teardown_file; }

in_run() {
	"${wrap[@]}" "$PORTSHUNT" run --log-level warn --network none -- "$@" 3>&-
}

# map FILE OWN - what /proc/self/uid_map must say, when every delegated id is mapped
map() {
	awk -F: -v own="$2" -v name="$(id -un "$2")" '
		BEGIN { printf "%d %d %d\n", 0, own, 1; next_id = 1 }
		$1 == name || $1 == own { print next_id, $2, $3; next_id += $3 }' "$1"
}

@test "all ids of /etc/subuid and /etc/subgid, the caller's as 0" {
	as user
	run -0 --separate-stderr in_run sh -c 'id -u; id -g; cat /proc/self/uid_map; echo; cat /proc/self/gid_map'
	[ -z "$stderr" ] || { echo "it said: $stderr"; false; }
	[ "${lines[0]} ${lines[1]}" = "0 0" ]
	diff <(printf '0\n0\n%s\n\n%s\n' "$(map /etc/subuid "$(id -u pstest)")" \
		"$(map /etc/subgid "$(id -g pstest)")") <(echo "$output" | awk '{ $1 = $1; print }')
	# they can be used
	[ "$(in_run sh -c "touch $tmpdir/a && chown 1000:1000 $tmpdir/a && stat -c %u:%g $tmpdir/a")" = 1000:1000 ]
	rm "$tmpdir/a"
	[ "$(in_run setpriv --reuid 1000 --regid 1000 --clear-groups id -u)" = 1000 ]
}

# own_id_only REASON - and one line that says so
own_id_only() {
	run -0 --separate-stderr in_run sh -c 'id -u; cat /proc/self/uid_map /proc/self/gid_map'
	[ "${lines[0]}" = 0 ]
	[[ ${lines[1]} =~ ^\ +0\ +$1\ +1$ ]]
	[[ ${lines[2]} =~ ^\ +0\ +$1\ +1$ ]]
	[ "${#lines[@]}" = 3 ]
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "portshunt: warning: only your own id is mapped into the container: $2"* ]]
}

@test "without any in /etc/subuid: the own id alone, and one line" {
	as user
	wrap=(setpriv --reuid 65534 --regid 65534 --clear-groups "${wrap[@]:6}")
	[ "$("${wrap[@]}" id -u)" = 65534 ]
	own_id_only 65534 ""
}

@test "an id without a name: the own id alone, and one line" {
	as user
	wrap=(setpriv --reuid 54321 --regid 54321 --clear-groups "${wrap[@]:6}")
	own_id_only 54321 ""
}

@test "without newuidmap: the own id alone, and one line" {
	local program

	as user
	mkdir "$dir/bin"
	for program in sh cat id getsubids; do
		ln -s "$(command -v $program)" "$dir/bin"
	done
	wrap+=(PATH="$dir/bin")
	own_id_only "$(id -u pstest)" "newgidmap failed: no such file or directory"
}

@test "root of the host stays it" {
	need_root
	[ "$(in_run cat /proc/self/uid_map)" = "$(cat /proc/self/uid_map)" ]
	[ "$(in_run readlink /proc/self/ns/user)" = "$(readlink /proc/self/ns/user)" ]
}

@test "root without CAP_SYS_ADMIN gets a user namespace" {
	need_root
	wrap=(setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin)
	run -0 --separate-stderr in_run cat /proc/self/uid_map
	[[ ${lines[0]} =~ ^\ +0\ +0\ +1$ ]]
}

@test "what COMMAND makes is the caller's on the host" {
	as user
	in_run touch "$tmpdir/made"
	[ "$(stat -c %U "$tmpdir/made")" = pstest ]
	rm "$tmpdir/made"
}
