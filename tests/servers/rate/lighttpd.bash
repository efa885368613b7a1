# SPDX-License-Identifier: Apache-2.0
# lighttpd: by sendfile(2), as Debian configures it, and by writev(2).

needs="lighttpd wrk"
ports="80 81"

# lighttpd_conf PORT BACKEND
lighttpd_conf() {
	cat <<-EOF
	server.document-root = "$dir/www"
	server.bind = "127.0.0.1"
	server.port = $1
	server.errorlog = "$dir/lighttpd-$1.log"
	server.network-backend = "$2"
	server.max-keep-alive-requests = 1000000
	mimetype.assign = ( "" => "application/octet-stream" )
	EOF
}

start() {
	www "$dir/www"
	lighttpd_conf 80 sendfile >"$dir/80.conf"
	lighttpd_conf 81 writev >"$dir/81.conf"
	server_start sendfile TERM 80 lighttpd -D -f "$dir/80.conf" || return
	server_start writev TERM 81 lighttpd -D -f "$dir/81.conf"
}

loads() {
	cell "1 KB, 16 connections" wrk_rate 80 /1k 16
	cell "100 KB, 8 connections" wrk_rate 80 /100k 8
	cell "10 MB, 4 connections" wrk_rate 80 /10M 4
	cell "150 MB, sendfile" fetch 80 /150M $((150 * MB))
	cell "100 KB, writev" wrk_rate 81 /100k 8
	cell "150 MB, writev" fetch 81 /150M $((150 * MB))
}
