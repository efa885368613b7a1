# SPDX-License-Identifier: Apache-2.0
# Node.js: small answers, long ones by a stream and at once, events, uploads, TLS.

needs="node wrk openssl curl"
ports="80 443"

start() {
	www "$dir/www"
	certificate "$dir" || return
	server_start node KILL 443 node tests/servers/rate/programs/server.js "$dir/www" \
		"$dir/cert.pem" "$dir/key.pem"
}

loads() {
	cell "1 KB, 32 connections" wrk_rate 80 /1k 32
	cell "1 KB in two writes, 8 connections" wrk_rate 80 /two 8
	cell "100 KB, 8 connections" wrk_rate 80 /100k 8
	cell "150 MB, a stream" fetch 80 /stream $((150 * MB))
	cell "150 MB at once" fetch 80 /150M $((150 * MB))
	cell "20000 events" fetch 80 /events 2000000
	cell "upload of 150 MB" curl_put 80 /sink "$dir/www/150M"
	cell "TLS 100 KB, 8 connections" wrk_rate 443 /100k 8 https
	cell "TLS 150 MB, a stream, curl" curl_fetch 443 /stream $((150 * MB)) --insecure
}
