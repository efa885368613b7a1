# SPDX-License-Identifier: Apache-2.0
# HAProxy as the application: mode http, TLS, HTTP/2 and mode tcp, before an nginx in the same
# namespace.

needs="haproxy nginx wrk h2load openssl curl"
ports="8000 8001 8443"

start() {
	www "$dir/www"
	certificate "$dir" || return
	mkdir "$dir/put"
	cat >"$dir/nginx.conf" <<-EOF
	daemon off;
	user root;
	worker_processes 2;
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
		root $dir/www;
		server {
			listen 127.0.0.1:80 backlog=4096;
			location /put/ { root $dir; dav_methods PUT; }
		}
	}
	EOF
	cat >"$dir/haproxy.cfg" <<-EOF
	global
		maxconn 2000
	defaults
		timeout connect 5s
		timeout client 60s
		timeout server 60s
	frontend http
		mode http
		bind 127.0.0.1:8000
		default_backend web
	frontend tls
		mode http
		bind 127.0.0.1:8443 ssl crt $dir/both.pem alpn h2,http/1.1
		default_backend web
	backend web
		mode http
		server nginx 127.0.0.1:80
	listen tcp
		mode tcp
		option splice-auto
		bind 127.0.0.1:8001
		server nginx 127.0.0.1:80
	EOF
	server_start nginx TERM 80 nginx -c "$dir/nginx.conf" -e "$dir/nginx.log" || return
	server_start haproxy TERM 8443 haproxy -db -f "$dir/haproxy.cfg"
}

loads() {
	cell "1 KB, 16 connections" wrk_rate 8000 /1k 16
	cell "100 KB, 8 connections" wrk_rate 8000 /100k 8
	cell "150 MB" fetch 8000 /150M $((150 * MB))
	cell "mode tcp, 100 KB, 8 connections" wrk_rate 8001 /100k 8
	cell "mode tcp, 150 MB" fetch 8001 /150M $((150 * MB))
	cell "TLS 100 KB, 8 connections" wrk_rate 8443 /100k 8 https
	cell "h2 TLS 100 KB, 4 x 10" h2load_rate 8443 /100k 4 10 https
	cell "h2 TLS 150 MB, curl" curl_fetch 8443 /150M $((150 * MB)) --insecure --http2
	cell "upload of 150 MB" curl_put 8000 /put/file "$dir/www/150M"
}
