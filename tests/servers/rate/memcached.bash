# SPDX-License-Identifier: Apache-2.0
# memcached: small requests over non-blocking connections, one by one and many at once.

needs="memcached memcslap"
ports="11211"

start() {
	server_start memcached TERM 11211 memcached -u nobody -l 127.0.0.1 -p 11211 -t 2 -m 256
}

# slap TEST N - 4 threads of N requests each.
slap() {
	at 11211 || return
	tool memcslap -s "127.0.0.1:$port" --non-blocking --tcp-nodelay -c 4 -t "$1" -e "$2" || return
	# "Time to get  8000 keys by  4 threads:  0.348 seconds."
	rate=$(awk '/ keys by / && $9 > 0 { printf "%.0f\n", $4 / $9 }' "$dir/out")
}

loads() {
	cell "set, 4 connections" slap set 15000
	cell "get, 4 connections" slap get 15000
	cell "mget, 4 connections" slap mget 4000
}
