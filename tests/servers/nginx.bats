# SPDX-License-Identifier: Apache-2.0
# A real nginx behind each datapath: no failed request, no wrong byte, nothing in its error log.

load servers
load nginx

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
	nginx_setup
}

teardown() {
	nginx_teardown
}

teardown_file() {
	e2e_teardown_file
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

uploads() {
	url 80 put
	put 4 30 "$url"
}

@test "four uploads of 30 MB at once" {
	on_each_datapath 80 uploads
}

used_before() {
	url 80 put
	if [ "$datapath" = shunt ] && fionread_is_wrong; then
		remark "this kernel's FIONREAD keeps nginx from reading uploads on the shunt, as was said"
		run put_after_get 5 2 "$url"
		[ "$status" != 0 ]
		return
	fi
	put_after_get 20 30 "$url"
}

@test "an upload on a connection that was used before; on the shunt where FIONREAD is right" {
	on_each_datapath 80 used_before
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
	put 2 30 "$url"
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
