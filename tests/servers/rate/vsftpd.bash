# SPDX-License-Identifier: Apache-2.0
# vsftpd with a passive range of ports. A client connects to the very port that the server names,
# so that each way has a server of its own, with a range of its own.

needs="vsftpd curl"
ports="2100 2101 2102 2103"
declare -A ftp_number=([native]=0 [splice]=1 [shunt]=2 [auto]=3)

# The range is below what the kernel hands out, and the same on the host.
ftp_range() {
	ftp_low=$((28000 + 10 * ftp_number[$1])) ftp_high=$((28009 + 10 * ftp_number[$1]))
}

way_ports() {
	ftp_range "$way"
	echo "127.0.0.1:$ftp_low-$ftp_high:$ftp_low-$ftp_high"
}

start() {
	local way ftp_low ftp_high

	www "$dir/ftp"
	mkdir -p /run/vsftpd/empty "$dir/ftp/in"
	chown ftp "$dir/ftp/in" || return
	for way in native splice shunt auto; do
		ftp_range "$way"
		cat >"$dir/vsftpd-$way.conf" <<-EOF
		background=NO
		listen=YES
		listen_address=127.0.0.1
		listen_port=$((2100 + ftp_number[$way]))
		anonymous_enable=YES
		no_anon_password=YES
		anon_root=$dir/ftp
		write_enable=YES
		anon_upload_enable=YES
		anon_other_write_enable=YES
		anon_umask=022
		pasv_min_port=$ftp_low
		pasv_max_port=$ftp_high
		pasv_address=127.0.0.1
		seccomp_sandbox=NO
		secure_chroot_dir=/run/vsftpd/empty
		EOF
		server_start "vsftpd-$way" TERM $((2100 + ftp_number[$way])) vsftpd "$dir/vsftpd-$way.conf" || return
	done
}

ftp_get() {
	at $((2100 + ftp_number[$way])) &&
		pace read $((150 * MB)) curl -sSfN "ftp://127.0.0.1:$port/150M" "$@"
}

ftp_put() {
	at $((2100 + ftp_number[$way])) &&
		pace time $((150 * MB)) curl -sSf -T "$dir/ftp/150M" "ftp://127.0.0.1:$port/in/$way" "$@"
}

loads() {
	local blocks="vsftpd's sockets block"

	uncaptured "$blocks" cell "150 MB, EPSV" ftp_get
	uncaptured "$blocks" cell "150 MB, PASV" ftp_get --disable-epsv
	cell "upload of 150 MB" ftp_put
}
