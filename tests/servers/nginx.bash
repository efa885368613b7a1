# SPDX-License-Identifier: Apache-2.0
# nginx behind portshunt: its configuration, where it is reached, and uploads to it.

MB=1000000

# Port 80 sends by sendfile(2), 81 by writev(2), 443 is 80 with TLS, if there is a certificate.
nginx_config() {
	local tls=

	[ ! -e "$E2E_DIR/cert.pem" ] || tls="listen 127.0.0.1:443 ssl;
		ssl_certificate $E2E_DIR/cert.pem; ssl_certificate_key $E2E_DIR/key.pem;"
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
		root $E2E_DIR/www;
		server {
			listen 127.0.0.1:80 backlog=4096;
			$tls
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

# put COUNT MB URL - uploads COUNT files at once; what nginx has then is what was sent.
put() {
	local i transfers=()

	for ((i = 0; i < $1; i++)); do
		head -c $(($2 * MB)) /dev/urandom >"$dir/file-$i"
		transfers+=(-T "$dir/file-$i" "$3/file-$i")
	done
	curl -sSfk --max-time $((60 * ${PATIENCE:-1})) -Z --parallel-immediate "${transfers[@]}" \
		-w '%{http_code}\n' >"$dir/codes"
	[ "$(sort "$dir/codes" | uniq -c | xargs)" = "$1 201" ]
	for ((i = 0; i < $1; i++)); do
		cmp "$dir/file-$i" "$dir/put/file-$i"
		rm "$dir/put/file-$i"
	done
}

# put_after_get SECONDS MB URL - an upload on a connection on which nginx sends a lot first, so that
# its own socket is on the shunt by then. Fails when it takes longer.
put_after_get() {
	local root=${3%/*} seconds=$(($1 * ${PATIENCE:-1}))

	head -c $(($2 * MB)) /dev/urandom >"$dir/file"
	curl -sSfk --max-time $seconds -o /dev/null "$root/large" -o /dev/null "$root/large" \
		--next -sSfk --max-time $seconds -T "$dir/file" -w '%{http_code} %{num_connects}' \
		"$3/file" >"$dir/codes" || return
	[ "$(<"$dir/codes")" = "201 0" ] || return
	cmp "$dir/file" "$dir/put/file" || return
	rm "$dir/put/file"
}

# nginx_setup, nginx_teardown - of each test: nginx runs, and has nothing to complain of
nginx_setup() {
	servers_setup
	nginx_config >"$dir/nginx.conf"
	server_start nginx TERM 80 nginx -c "$dir/nginx.conf" -e "$dir/nginx.log"
}

nginx_teardown() {
	local failed=0

	log_is_clean "$dir/nginx.log" '\[(error|crit|alert|emerg)\]' || failed=1
	servers_teardown && [ $failed = 0 ]
}
