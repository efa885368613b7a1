# SPDX-License-Identifier: Apache-2.0
# Python: gunicorn with threads, whose sockets block, uvicorn and aiohttp.

needs="gunicorn /usr/bin/python3 wrk curl"
ports="80 81 82"

missing() {
	/usr/bin/python3 -c 'import aiohttp, uvicorn' 2>/dev/null || echo "uvicorn or aiohttp"
}

start() {
	local programs=$PWD/tests/servers/rate/programs

	www "$dir/www"
	export WWW=$dir/www PYTHONDONTWRITEBYTECODE=1
	server_start gunicorn TERM 80 gunicorn -b 127.0.0.1:80 -k gthread --threads 16 --keep-alive 60 \
		--worker-tmp-dir "$dir" --chdir "$programs" python_apps:wsgi || return
	server_start uvicorn TERM 81 /usr/bin/python3 -m uvicorn --host 127.0.0.1 --port 81 --no-access-log \
		--app-dir "$programs" python_apps:asgi || return
	server_start aiohttp TERM 82 /usr/bin/python3 "$programs/python_apps.py" 82
}

loads() {
	local blocks="gunicorn's threads write to blocking sockets"

	uncaptured "$blocks" cell "gunicorn, 1 KB, 8 connections" wrk_rate 80 /1k 8
	uncaptured "$blocks" cell "gunicorn, 150 MB" fetch 80 /150M $((150 * MB))
	cell "gunicorn, upload of 150 MB" curl_put 80 /sink "$dir/www/150M"
	cell "uvicorn, 1 KB, 8 connections" wrk_rate 81 /1k 8
	cell "uvicorn, 100 KB, 8 connections" wrk_rate 81 /100k 8
	cell "uvicorn, 150 MB" fetch 81 /150M $((150 * MB))
	cell "aiohttp, 1 KB, 8 connections" wrk_rate 82 /1k 8
	cell "aiohttp, 150 MB" fetch 82 /150M $((150 * MB))
	cell "aiohttp, 10000 events" fetch 82 /events $((1 * MB))
	cell "aiohttp, upload of 150 MB" curl_put 82 /sink "$dir/www/150M"
}
