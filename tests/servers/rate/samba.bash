# SPDX-License-Identifier: Apache-2.0
# Samba: reads by writev(2) and by sendfile(2), and writes.

needs="smbd smbclient"
ports="445"

start() {
	www "$dir/www"
	mkdir -m 777 "$dir/in"
	mkdir -p "$dir/samba/log"
	cat >"$dir/smb.conf" <<-EOF
	[global]
	server role = standalone server
	map to guest = Bad User
	guest account = root
	bind interfaces only = no
	smb ports = 445
	disable netbios = yes
	load printers = no
	private dir = $dir/samba
	lock directory = $dir/samba
	state directory = $dir/samba
	cache directory = $dir/samba
	pid directory = $dir/samba
	ncalrpc dir = $dir/samba/ncalrpc
	log file = $dir/samba/log/smbd
	[www]
	path = $dir/www
	guest ok = yes
	[sendfile]
	path = $dir/www
	guest ok = yes
	use sendfile = yes
	[in]
	path = $dir/in
	guest ok = yes
	read only = no
	EOF
	server_start smbd TERM 445 smbd --foreground --no-process-group -s "$dir/smb.conf"
}

# smb SHARE COMMAND
smb() {
	at 445 && pace time $((150 * MB)) smbclient "//127.0.0.1/$1" -p "$port" -N -s "$dir/smb.conf" -c "$2"
}

loads() {
	cell "read 150 MB" smb www "get 150M /dev/null"
	cell "read 150 MB, sendfile" smb sendfile "get 150M /dev/null"
	cell "write 150 MB" smb in "put $dir/www/150M file"
}
