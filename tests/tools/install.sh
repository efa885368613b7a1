#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh install DESTDIR PREFIX MODE FILE DEST ...   put files below $DESTDIR$PREFIX;
#                                                      where MODE is "link": a link to FILE
# install.sh uninstall DESTDIR PREFIX                    take exactly these away again
#
# What install creates, directories too, is written to share/portshunt/installed: an empty
# directory that was there before, or a file of somebody else, survives uninstall.
set -euo pipefail

action=$1 root=$2 prefix=${3%/}
list=$root$prefix/share/portshunt/installed
shift 3
case $prefix in
"" | /*) ;;
*) echo "PREFIX=$prefix: has to begin with a slash" >&2; exit 1 ;;
esac

# make_dir - mkdir -p for $1, below $root, noting each directory that is new, outermost first.
make_dir() {
	[ -d "$root$1/" ] && return
	[ -z "$1" ] || make_dir "${1%/*}"
	if [ -z "$1" ]; then mkdir -p "$root"; else mkdir "$root$1"; fi
	created+=("dir $1/")
}

# keep_list - what was created is in the list, also when what comes next fails.
keep_list() {
	local line

	[ -d "${list%/*}" ] && [ ${#created[@]} -gt 0 ] || return 0
	touch "$list"
	for line in "${created[@]}"; do
		grep -qxF -- "$line" "$list" || echo "$line" >>"$list"
	done
}

case $action in
install)
	created=()
	trap keep_list EXIT
	make_dir "$prefix/share/portshunt"
	while [ $# -gt 0 ]; do
		make_dir "$(dirname "$prefix/$3")"
		if [ "$1" = link ]; then
			ln -sfn "$2" "$root$prefix/$3"
		else
			install -m "$1" "$2" "$root$prefix/$3"
		fi
		created+=("file $prefix/$3")
		shift 3
	done
	;;
uninstall)
	[ -e "$list" ] || { echo "nothing is installed in $root$prefix" >&2; exit 1; }
	mapfile -t created <"$list"
	rm "$list"
	for ((i = ${#created[@]} - 1; i >= 0; i--)); do
		path=$root${created[i]#* }
		case ${created[i]} in
		file*) rm -f -- "$path" ;;
		dir*) rmdir --ignore-fail-on-non-empty -- "$path" 2>/dev/null || true ;;
		esac
	done
	;;
esac
