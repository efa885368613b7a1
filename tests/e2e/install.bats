# SPDX-License-Identifier: Apache-2.0
# `make install` and `make uninstall`: what is installed works from there, and uninstall
# leaves every file and directory that was not its own.

setup() {
	root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/usr/local/bin" "$root/usr/local/share/man"
	echo mine >"$root/usr/local/bin/other"
}

# The program is there already: neither make may build it again under the other tests.
build() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$BATS_TEST_DIRNAME/../.." \
		-o "${O:-build}/portshunt" O="${O:-build}" "$@"
}

tree() {
	(cd "${1:-$root}" && find . -printf '%y %m %s %p\n' | sed 's/^d \([0-7]*\) [0-9]*/d \1/' | sort)
}

@test "make install with DESTDIR, run, make uninstall: the tree is as before" {
	before=$(tree)
	build install DESTDIR="$root" PREFIX=/usr/local

	run "$root/usr/local/bin/portshunt" --version
	[ "$status" = 0 ]
	[[ $output =~ ^portshunt\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	zcat "$root/usr/local/share/man/man1/portshunt.1.gz" | grep -q '^\.TH "portshunt" "1"'
	zcat "$root/usr/local/share/man/man7/portshunt-security.7.gz" |
		grep -Eq '^\.TH "portshunt\\?-security" "7"'
	bash -n "$root/usr/local/share/bash-completion/completions/portshunt"
	grep -q '^ExecStart=/usr/local/bin/portshunt attach ' \
		"$root/usr/local/lib/systemd/system/portshunt@.service"
	grep -q '/usr/local/bin/portshunt mrix,' \
		"$root/usr/local/share/portshunt/apparmor.d/portshunt-attach"
	[ -z "$(find "$root" -xtype l)" ]
	run "$root/usr/local/libexec/portshunt/docker-proxy" -version
	[ "$output" = "docker-proxy (portshunt) version $("$root/usr/local/bin/portshunt" --version |
		cut -d' ' -f2)" ]
	run "$root/usr/local/libexec/portshunt/rootlessport" </dev/null
	[ "$output" = "unexpected end of JSON input" ]
	# where podman looks by itself there is nothing of ours
	[ -z "$(find "$root" -path '*/podman/*')" ]

	build uninstall DESTDIR="$root" PREFIX=/usr/local
	diff <(echo "$before") <(tree)
}

@test "make install into a PREFIX that does not exist, twice, and make uninstall: it is gone again" {
	before=$(tree)
	build install PREFIX="$root/opt/portshunt"
	build install PREFIX="$root/opt/portshunt"
	"$root/opt/portshunt/bin/portshunt" --version
	grep -q "^ExecStart=$root/opt/portshunt/bin/portshunt attach " \
		"$root/opt/portshunt/lib/systemd/system/portshunt@.service"
	build uninstall PREFIX="$root/opt/portshunt"
	diff <(echo "$before") <(tree)
}

@test "make uninstall keeps foreign files in directories that make install created" {
	build install DESTDIR="$root" PREFIX=/opt
	echo mine >"$root/opt/share/man/man1/other.1"
	build uninstall DESTDIR="$root" PREFIX=/opt
	[ "$(cd "$root/opt" && find . -type f)" = ./share/man/man1/other.1 ]
	[ ! -e "$root/opt/bin" ]
}

@test "make uninstall where nothing is installed says so and changes nothing" {
	before=$(tree)
	run build uninstall DESTDIR="$root" PREFIX=/usr/local
	[ "$status" != 0 ]
	[[ $output == *"nothing is installed in $root/usr/local"* ]]
	diff <(echo "$before") <(tree)
}

@test "make install refuses a PREFIX without a slash, and takes an empty one" {
	before=$(tree)
	run build install DESTDIR="$root" PREFIX=usr/local
	[ "$status" != 0 ]
	[[ $output == *"PREFIX=usr/local: has to begin with a slash"* ]]
	diff <(echo "$before") <(tree)
	build install DESTDIR="$root" PREFIX=
	"$root/bin/portshunt" --version
	build uninstall DESTDIR="$root" PREFIX=
	diff <(echo "$before") <(tree)
}

@test "make install that fails half-way: make uninstall takes the first half away" {
	echo mine >"$root/usr/local/libexec"
	before=$(tree)
	run build install DESTDIR="$root"
	[ "$status" != 0 ]
	[ -e "$root/usr/local/bin/portshunt" ]
	build uninstall DESTDIR="$root"
	diff <(echo "$before") <(tree)
}

@test "make without the libraries says which one, and what installs it, before it compiles" {
	run env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -j2 -C "$BATS_TEST_DIRNAME/../.." \
		BPF=0 O="$BATS_TEST_TMPDIR/build" CPPFLAGS=-nostdinc
	[ "$status" != 0 ]
	[[ ${lines[0]} == *" does not find stdio.h: sudo make BPF=0 deps" ]]
	[[ $output != *"  CC "* && $output != *"error:"* ]]
}
