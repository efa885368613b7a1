# SPDX-License-Identifier: Apache-2.0
# sshd: bulk out of it, scp, sftp and rsync; and rsync's own daemon.

needs="sshd ssh scp rsync"
ports="22 873"

start() {
	www "$dir/www"
	mkdir -p /run/sshd "$dir/got" "$dir/in"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key" || return
	ssh-keygen -q -t ed25519 -N '' -f "$dir/key" || return
	cat >"$dir/sshd.conf" <<-EOF
	Port 22
	ListenAddress 127.0.0.1
	HostKey $dir/host_key
	AuthorizedKeysFile $dir/key.pub
	PermitRootLogin yes
	StrictModes no
	UsePAM no
	PidFile none
	Subsystem sftp internal-sftp
	EOF
	cat >"$dir/rsyncd.conf" <<-EOF
	use chroot = no
	uid = root
	gid = root
	[www]
	path = $dir/www
	[in]
	path = $dir/in
	read only = no
	EOF
	server_start sshd TERM 22 "$(command -v sshd)" -D -e -f "$dir/sshd.conf" || return
	server_start rsyncd TERM 873 rsync --daemon --no-detach --address=127.0.0.1 --config="$dir/rsyncd.conf"
}

# ssh_options [PORT_OPTION] - sets options.
ssh_options() {
	at 22 || return
	options=(-q -F none -o "IdentityFile=$dir/key" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no
		-o UserKnownHostsFile=/dev/null -o Compression=no "${1:--p}" "$port")
}

ssh_cat() {
	ssh_options && pace read $((150 * MB)) ssh "${options[@]}" root@127.0.0.1 cat "$dir/www/150M"
}

# scp_copy FROM TO
scp_copy() {
	ssh_options -P && pace time $((150 * MB)) scp "${options[@]}" "$1" "$2"
}

# rsync_copy FROM TO - all of it, each time.
rsync_copy() {
	ssh_options && pace time $((150 * MB)) rsync -I -W -e "ssh ${options[*]}" "$1" "$2"
}

# rsyncd_copy get|put
rsyncd_copy() {
	at 873 || return
	case $1 in
	get) pace time $((150 * MB)) rsync -I -W "rsync://127.0.0.1:$port/www/150M" "$dir/got/" ;;
	put) pace time $((150 * MB)) rsync -I -W "$dir/www/150M" "rsync://127.0.0.1:$port/in/" ;;
	esac
}

loads() {
	cell "ssh cat, 150 MB" ssh_cat
	cell "scp from it, 150 MB" scp_copy "root@127.0.0.1:$dir/www/150M" "$dir/got/file"
	cell "scp to it, 150 MB" scp_copy "$dir/www/150M" "root@127.0.0.1:$dir/in/file"
	cell "rsync over ssh from it, 150 MB" rsync_copy "root@127.0.0.1:$dir/www/150M" "$dir/got/"
	cell "rsync over ssh to it, 150 MB" rsync_copy "$dir/www/150M" "root@127.0.0.1:$dir/in/"
	cell "rsyncd, from it, 150 MB" rsyncd_copy get
	cell "rsyncd, to it, 150 MB" rsyncd_copy put
}
