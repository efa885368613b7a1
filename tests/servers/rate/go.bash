# SPDX-License-Identifier: Apache-2.0
# Go's net/http: sendfile(2), one long Write, short ones, events, uploads, TLS.

needs="go wrk h2load openssl curl"
ports="80 443"

start() {
	www "$dir/www"
	certificate "$dir" || return
	env HOME="$dir" GOCACHE="$dir/cache" GO111MODULE=off CGO_ENABLED=0 \
		go build -o "$dir/server" tests/servers/rate/programs/server.go || return
	server_start go KILL 443 "$dir/server" "$dir/www" "$dir/cert.pem" "$dir/key.pem"
}

loads() {
	cell "1 KB, 32 connections" wrk_rate 80 /1k 32
	cell "100 KB, 8 connections" wrk_rate 80 /100k 8
	cell "150 MB, sendfile" fetch 80 /150M $((150 * MB))
	cell "150 MB, one Write" fetch 80 /once $((150 * MB))
	cell "150 MB, Writes of 32 KB" fetch 80 /pieces $((150 * MB))
	cell "20000 events, each flushed" fetch 80 /events 2000000
	cell "upload of 150 MB" curl_put 80 /sink "$dir/www/150M"
	cell "TLS 100 KB, 8 connections" wrk_rate 443 /100k 8 https
	cell "h2 TLS 100 KB, 4 x 10" h2load_rate 443 /100k 4 10 https
	cell "h2 TLS 150 MB, curl" curl_fetch 443 /150M $((150 * MB)) --insecure --http2
}
