# SPDX-License-Identifier: Apache-2.0
# Caddy: a file server, and a proxy before it.

needs="caddy wrk"
ports="80 81"

start() {
	www "$dir/www"
	cat >"$dir/Caddyfile" <<-EOF
	{
		admin off
		auto_https off
		storage file_system $dir/storage
	}
	http://:80 {
		root * $dir/www
		file_server
	}
	http://:81 {
		reverse_proxy 127.0.0.1:80
	}
	EOF
	server_start caddy TERM 80 env HOME="$dir" caddy run --config "$dir/Caddyfile"
}

loads() {
	cell "1 KB, 16 connections" wrk_rate 80 /1k 16
	cell "100 KB, 8 connections" wrk_rate 80 /100k 8
	cell "150 MB" fetch 80 /150M $((150 * MB))
	cell "proxy 100 KB, 8 connections" wrk_rate 81 /100k 8
	cell "proxy 150 MB" fetch 81 /150M $((150 * MB))
}
