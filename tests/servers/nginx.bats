# SPDX-License-Identifier: Apache-2.0
# A real nginx behind each datapath: no failed request, no wrong byte, nothing in its error log.

load servers

MB=1000000

setup_file() {
	need nginx wrk ab curl openssl
	e2e_setup_file
	mkdir "$E2E_DIR/www"
	echo "a small page" >"$E2E_DIR/www/small"
	head -c $MB /dev/urandom >"$E2E_DIR/www/large"
	head -c $((200 * MB)) /dev/urandom >"$E2E_DIR/www/huge"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=portshunt.test \
		-keyout "$E2E_DIR/key.pem" -out "$E2E_DIR/cert.pem" 2>/dev/null
}

setup() {
	servers_setup
	nginx_config >"$dir/nginx.conf"
	server_start nginx TERM 80 nginx -c "$dir/nginx.conf" -e "$dir/nginx.log"
}

teardown() {
	local failed=0

	log_is_clean "$dir/nginx.log" '\[(error|crit|alert|emerg)\]' || failed=1
	servers_teardown && [ $failed = 0 ]
}

teardown_file() {
	e2e_teardown_file
}

# Port 80 sends by sendfile(2), 81 by writev(2), 443 is 80 with TLS.
nginx_config() {
	cat <<-EOF
	daemon off;
	worker_processes 2;
	pid $dir/nginx.pid;
	error_log $dir/nginx.log warn;
	events { worker_connections 2000; }
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
		ssl_certificate $E2E_DIR/cert.pem;
		ssl_certificate_key $E2E_DIR/key.pem;
		root $E2E_DIR/www;
		server {
			listen 127.0.0.1:80 backlog=4096;
			listen 127.0.0.1:443 ssl;
			location /put/ {
				root $dir;
				dav_methods PUT;
			}
		}
		server {
			listen 127.0.0.1:81;
			sendfile off;
		}
	}
	EOF
	mkdir -p "$dir/put"
	chmod 777 "$dir/put"
}

# url CONTAINER_PORT PATH - sets $url.
url() {
	local scheme=http

	[ "$1" != 443 ] || scheme=https
	published "$1"
	url=$scheme://127.0.0.1:$port/$2
}

pages() {
	url 80 small
	wrk_load -t 2 -c 32 -d 3s "$url"
	url 80 large
	wrk_load -t 2 -c 16 -d 3s "$url"
}

@test "wrk: a small and a large page over connections that stay" {
	on_each_datapath 80 pages
}

visits() {
	url 80 small
	ab_load 5000 -c 32 "$url"
	ab_load 20000 -c 32 -k "$url"
	url 80 large
	ab_load 300 -c 16 "$url"
	ab_load 300 -c 16 -k "$url"
}

@test "ab: a connection for each request, and connections that stay" {
	on_each_datapath 80 visits
}

churn() {
	url 80 small
	wrk_load -t 2 -c 64 -d 3s -H "Connection: close" "$url"
	url 80 large
	wrk_load -t 2 -c 64 -d 3s -H "Connection: close" "$url"
}

@test "wrk: connections that come and go, 64 at once" {
	on_each_datapath 80 churn
}

# fetch URL FILE - the bytes that come are the file's.
fetch() {
	curl -sSfk --max-time 60 -o "$dir/fetched" "$1" || return
	cmp "$dir/fetched" "$2" || return
	rm "$dir/fetched"
}

huge() {
	url 80 huge
	fetch "$url" "$E2E_DIR/www/huge"
	url 81 huge
	fetch "$url" "$E2E_DIR/www/huge"
}

@test "200 MB come whole, by sendfile and without" {
	on_each_datapath "80 81" huge
}

# A reader that keeps up; with one that is slower than nginx most bytes stay on splice.
in_a_row() {
	local before

	url "$1" large
	before=$(container_lo)
	curl -sSf --max-time 60 -w '%{num_connects}\n' -o "$dir/got-#1" "$url?[1-100]" >"$dir/connects"
	[ "$(awk '{ n += $1 } END { print n }' "$dir/connects")" = 1 ]
	went_direct "$before" $((100 * MB))
	for i in {1..100}; do
		cmp "$dir/got-$i" "$E2E_DIR/www/large"
	done
}

@test "100 pages of 1 MB over one connection; on the shunt they go past the relay" {
	on_each_datapath 80 in_a_row 80
	on_each_datapath 81 in_a_row 81
}

# put COUNT URL - uploads COUNT files of 30 MB at once; what nginx has then is what was sent.
put() {
	local i transfers=()

	for ((i = 0; i < $1; i++)); do
		[ -e "$dir/file-$i" ] || head -c $((30 * MB)) /dev/urandom >"$dir/file-$i"
		transfers+=(-T "$dir/file-$i" "$2/file-$i")
	done
	curl -sSfk --max-time 60 -Z --parallel-immediate "${transfers[@]}" -w '%{http_code}\n' >"$dir/codes"
	[ "$(sort "$dir/codes" | uniq -c | xargs)" = "$1 201" ]
	for ((i = 0; i < $1; i++)); do
		cmp "$dir/file-$i" "$dir/put/file-$i"
		rm "$dir/put/file-$i"
	done
}

# put_after_get URL - an upload on a connection on which nginx sends a lot first, so that its
# own socket is on the shunt by then.
put_after_get() {
	local root=${1%/*}

	curl -sSfk --max-time 20 -o /dev/null "$root/large" -o /dev/null "$root/large" \
		--next -sSfk --max-time 20 -T "$dir/file-0" -w '%{http_code} %{num_connects}' \
		"$1/file-0" >"$dir/codes"
	[ "$(<"$dir/codes")" = "201 0" ]
	cmp "$dir/file-0" "$dir/put/file-0"
	rm "$dir/put/file-0"
}

uploads() {
	url 80 put
	put 4 "$url"
	if [ "$datapath" = shunt ] && fionread_is_wrong; then
		remark "this kernel's FIONREAD keeps nginx from reading uploads on the shunt, as was said"
		return
	fi
	put_after_get "$url"
}

@test "four uploads of 30 MB at once, and one on a connection that was used before" {
	on_each_datapath 80 uploads
}

tls() {
	url 443 huge
	fetch "$url" "$E2E_DIR/www/huge"
	url 443 small
	wrk_load -t 2 -c 16 -d 3s "$url"
	published 443
	printf 'GET /small HTTP/1.0\r\n\r\n' |
		openssl s_client -quiet -verify_quiet -connect "127.0.0.1:$port" 2>/dev/null |
		grep -q "a small page"
	url 443 put
	put 2 "$url"
}

@test "TLS: pages, 200 MB down, 30 MB up" {
	on_each_datapath 443 tls
}

gone() {
	url 79 small
	run wrk_load -t 1 -c 2 -d 1s "$url"
	[ "$status" != 0 ]
	run ab_load 10 "$url"
	[ "$status" != 0 ]
	url 80 absent
	run wrk_load -t 1 -c 2 -d 1s "$url"
	[ "$status" != 0 ]
	run ab_load 10 "$url"
	[ "$status" != 0 ]
	run fetch "$url" "$E2E_DIR/www/small"
	[ "$status" != 0 ]
	: >"$dir/nginx.log" # nginx has complained about the absent page, rightly
}

@test "the loads of these tests fail where there is no server, or no such page" {
	datapaths=(splice)
	on_each_datapath "79 80" gone
}
