# SPDX-License-Identifier: Apache-2.0
# Apache with the event MPM: files by mmap(2) and writev(2), as Debian has it, by sendfile(2), and
# by read(2); HTTP/2.

needs="apache2 wrk h2load curl"
ports="80 81 82"

start() {
	local modules=/usr/lib/apache2/modules

	www "$dir/www"
	cat >"$dir/apache.conf" <<-EOF
	LoadModule mpm_event_module $modules/mod_mpm_event.so
	LoadModule authz_core_module $modules/mod_authz_core.so
	LoadModule http2_module $modules/mod_http2.so
	ServerName localhost
	PidFile $dir/apache.pid
	ErrorLog $dir/apache.log
	DefaultRuntimeDir $dir
	User www-data
	Group www-data
	DocumentRoot $dir/www
	KeepAlive On
	MaxKeepAliveRequests 0
	Protocols h2c http/1.1
	<Directory $dir/www>
		Require all granted
	</Directory>
	Listen 127.0.0.1:80
	Listen 127.0.0.1:81
	Listen 127.0.0.1:82
	<VirtualHost 127.0.0.1:81>
		EnableSendfile On
	</VirtualHost>
	<VirtualHost 127.0.0.1:82>
		EnableMMAP Off
	</VirtualHost>
	EOF
	server_start apache TERM 80 apache2 -DFOREGROUND -f "$dir/apache.conf"
}

loads() {
	cell "1 KB, 16 connections" wrk_rate 80 /1k 16
	cell "100 KB, 8 connections" wrk_rate 80 /100k 8
	cell "150 MB, mmap" fetch 80 /150M $((150 * MB))
	cell "100 KB, sendfile" wrk_rate 81 /100k 8
	cell "10 MB, sendfile" wrk_rate 81 /10M 4
	cell "150 MB, sendfile" fetch 81 /150M $((150 * MB))
	cell "150 MB, neither" fetch 82 /150M $((150 * MB))
	cell "h2c 100 KB, 4 x 10" h2load_rate 80 /100k 4 10
	cell "h2c 150 MB, curl" curl_fetch 80 /150M $((150 * MB)) --http2-prior-knowledge
}
