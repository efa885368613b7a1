# SPDX-License-Identifier: Apache-2.0
# nginx: a web server by each of its ways to send, TLS, HTTP/2, a proxy, uploads.

needs="nginx wrk ab h2load openssl curl"
ports="80 81 82 83 84 85 443"

# Port 80 is as Debian configures it; the others each change one thing.
nginx_conf() {
	local tls="ssl_certificate $dir/cert.pem; ssl_certificate_key $dir/key.pem;"

	cat <<-EOF
	daemon off;
	user root;
	worker_processes auto;
	pid $dir/nginx.pid;
	error_log $dir/nginx.log warn;
	events { worker_connections 768; }
	http {
		access_log off;
		keepalive_requests 1000000;
		client_max_body_size 0;
		client_body_temp_path $dir/body;
		proxy_temp_path $dir/proxy;
		fastcgi_temp_path $dir/fastcgi;
		uwsgi_temp_path $dir/uwsgi;
		scgi_temp_path $dir/scgi;
		sendfile on;
		tcp_nopush on;
		root $dir/www;
		server {
			listen 127.0.0.1:80 backlog=4096;
			location /put/ { root $dir; dav_methods PUT; }
		}
		server { listen 127.0.0.1:81; tcp_nopush off; }
		server { listen 127.0.0.1:82; sendfile off; tcp_nopush off; }
		server { listen 127.0.0.1:83; aio threads; }
		server { listen 127.0.0.1:84; limit_rate 100m; }
		server {
			listen 127.0.0.1:85;
			location / { proxy_pass http://127.0.0.1:80; proxy_http_version 1.1; proxy_set_header Connection ""; }
		}
		server { listen 127.0.0.1:443 ssl http2; $tls }
	}
	EOF
	mkdir -p "$dir/put"
}

start() {
	www "$dir/www"
	certificate "$dir" || return
	nginx_conf >"$dir/nginx.conf" || return
	server_start nginx TERM 80 nginx -c "$dir/nginx.conf" -e "$dir/nginx.log"
}

loads() {
	cell "1 KB, 32 connections" wrk_rate 80 /1k 32
	cell "1 KB, 1 connection" wrk_rate 80 /1k 1
	cell "100 KB, 8 connections" wrk_rate 80 /100k 8
	cell "10 MB, 4 connections" wrk_rate 80 /10M 4
	uncaptured "a request a connection, over too soon" \
		cell "100 KB, a connection a request" ab_rate 80 /100k 4 5000
	cell "150 MB, sendfile, tcp_nopush" fetch 80 /150M $((150 * MB))
	cell "150 MB, sendfile" fetch 81 /150M $((150 * MB))
	cell "150 MB, sendfile off" fetch 82 /150M $((150 * MB))
	cell "150 MB, aio threads" fetch 83 /150M $((150 * MB))
	cell "150 MB, limit_rate 100m" fetch 84 /150M $((150 * MB))
	cell "TLS 100 KB, 8 connections" wrk_rate 443 /100k 8 https
	cell "TLS 150 MB, curl" curl_fetch 443 /150M $((150 * MB)) --insecure --http1.1
	cell "h2 TLS 100 KB, 4 x 10" h2load_rate 443 /100k 4 10 https
	cell "proxy 100 KB, 8 connections" wrk_rate 85 /100k 8
	cell "proxy 150 MB" fetch 85 /150M $((150 * MB))
	cell "upload of 150 MB" curl_put 80 /put/file "$dir/www/150M"
	asks_fionread cell "upload of 10 MB after downloads on one connection" upload_after
}

# Two downloads, and an upload on the same connection, when nginx' own socket is on the shunt.
upload_after() {
	at 80 && pace time $((30 * MB)) curl -sSf --max-time 20 -o /dev/null "http://127.0.0.1:$port/10M" \
		-o /dev/null "http://127.0.0.1:$port/10M" --next -sSf --max-time 20 -o /dev/null \
		-T "$dir/www/10M" "http://127.0.0.1:$port/put/after"
}
