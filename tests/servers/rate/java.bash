# SPDX-License-Identifier: Apache-2.0
# Java: Tomcat's NIO connector with and without sendfile, FileChannel.transferTo on a non-blocking
# channel, and the JDK's own web server, whose sockets block.

needs="java wrk"
ports="80 81 90 91"
warm_up=yes # its code is compiled as it runs

tomcat=/usr/share/tomcat10

missing() {
	[ -e $tomcat/bin/catalina.sh ] || echo "Tomcat 10"
}

start() {
	local base=$dir/tomcat

	www "$dir/www"
	mkdir -p "$base"/{conf,logs,temp,webapps,work}
	sed 's/^\t//' >"$base/conf/server.xml" <<-EOF
	<Server port="-1">
	<Service name="Catalina">
	<Connector address="127.0.0.1" port="80" protocol="org.apache.coyote.http11.Http11NioProtocol" maxKeepAliveRequests="-1"/>
	<Connector address="127.0.0.1" port="81" protocol="org.apache.coyote.http11.Http11NioProtocol" maxKeepAliveRequests="-1" useSendfile="false"/>
	<Engine name="Catalina" defaultHost="localhost">
	<Host name="localhost" appBase="webapps" autoDeploy="false" deployOnStartup="false">
	<Context path="" docBase="$dir/www"/>
	</Host>
	</Engine>
	</Service>
	</Server>
	EOF
	cat >"$base/conf/web.xml" <<-EOF
	<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
	<servlet>
	<servlet-name>default</servlet-name>
	<servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class>
	</servlet>
	<servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
	</web-app>
	EOF
	server_start jdk KILL 91 java tests/servers/rate/programs/Server.java "$dir/www" || return
	server_start tomcat TERM 80 env CATALINA_BASE="$base" CATALINA_HOME=$tomcat \
		bash $tomcat/bin/catalina.sh run || return
	eventually 20 grep -q 'Server startup in' "$dir/tomcat.out"
}

loads() {
	local blocks="com.sun.net.httpserver writes to a blocking channel"

	cell "Tomcat, 1 KB, 16 connections" wrk_rate 80 /1k 16
	cell "Tomcat, 100 KB, sendfile" wrk_rate 80 /100k 8
	cell "Tomcat, 10 MB, sendfile" wrk_rate 80 /10M 4
	cell "Tomcat, 150 MB, sendfile" fetch 80 /150M $((150 * MB))
	cell "Tomcat, 150 MB, no sendfile" fetch 81 /150M $((150 * MB))
	cell "transferTo, 10 MB" fetch 91 /10M $((10 * MB))
	cell "transferTo, 150 MB" fetch 91 /150M $((150 * MB))
	uncaptured "$blocks" cell "JDK, 100 KB, 8 connections" wrk_rate 90 /100k 8
	uncaptured "$blocks" cell "JDK, 150 MB" fetch 90 /150M $((150 * MB))
}
