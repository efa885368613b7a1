/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket on [::] without IPV6_V6ONLY has the port for IPv4 as well, and
 * is refused where somebody listens on any IPv4 address; with it the two
 * families do not meet (ipv6(7)). SO_REUSEADDR changes nothing while the
 * other one listens (socket(7)), it only forgives TIME_WAIT.
 */
#include "kernel/process.h"
#include "kernel/socket.h"

enum { V6_ONLY, DUAL, ANY4, LOOPBACK4 };

/* Returns a listening socket, or -errno of bind(2). *port 0: a free one. */
static int listen_on(int kind, in_port_t *port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = *port };
	struct sockaddr_in four = loopback(*port);
	struct sockaddr *at =
		kind <= DUAL ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	socklen_t len = kind <= DUAL ? sizeof(six) : sizeof(four);
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0 && errno == EAFNOSUPPORT)
		tap_skip_all("no IPv6");
	MUST(fd);
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (kind <= DUAL)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, kind == V6_ONLY);
	if (kind == ANY4)
		four.sin_addr.s_addr = htonl(INADDR_ANY);
	r = (int)RC(bind(fd, at, len));
	if (r < 0) {
		close(fd);
		return r;
	}
	MUST(listen(fd, 1));
	MUST(getsockname(fd, at, &len));
	*port = kind <= DUAL ? six.sin6_port : four.sin_port;
	return fd;
}

/* @second has to get the port of @first, or has to be refused. */
static void both(int first, int second, bool refused, const char *what)
{
	in_port_t port = 0;
	int a = (int)MUST(listen_on(first, &port)), b;

	b = listen_on(second, &port);
	if (refused)
		tap_is(b, -EADDRINUSE, what);
	else
		tap_ok(b >= 0, what);
	close(a);
	if (b >= 0)
		close(b);
}

/* An IPv4 client of a dual-stack socket has an IPv4-mapped address. */
static void client(void)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	in_port_t port = 0;
	int listener = (int)MUST(listen_on(DUAL, &port)), fd, peer;
	struct sockaddr_in at = loopback(port);

	fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(tcp_connect(fd, &at));
	peer = (int)MUST(accept(listener, (struct sockaddr *)&from, &len));
	tap_is(from.sin6_family, AF_INET6, "an IPv4 client comes with an IPv6 address");
	tap_ok(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr), "an IPv4-mapped one");
	close(peer);
	close(fd);
	close(listener);
}

/* SO_REUSEADDR is for the TIME_WAIT of a connection that the server closed. */
static void time_wait(void)
{
	in_port_t port = 0;
	int listener = (int)MUST(listen_on(LOOPBACK4, &port)), fd, peer;
	struct sockaddr_in at = loopback(port);
	char byte;

	fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(tcp_connect(fd, &at));
	peer = (int)MUST(accept(listener, NULL, NULL));
	close(peer);
	MUST(read(fd, &byte, 1));
	close(fd);
	close(listener);
	fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	tap_is(RC(bind(fd, (struct sockaddr *)&at, sizeof(at))), -EADDRINUSE,
	       "without SO_REUSEADDR a port in TIME_WAIT is refused");
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	tap_is(RC(bind(fd, (struct sockaddr *)&at, sizeof(at))), 0, "with it, it is not");
	close(fd);
}

int main(void)
{
	own_network();
	both(DUAL, ANY4, true, "[::] has the port, 0.0.0.0 is refused");
	both(DUAL, LOOPBACK4, true, "[::] has the port, 127.0.0.1 is refused");
	both(ANY4, DUAL, true, "0.0.0.0 has the port, [::] is refused");
	both(LOOPBACK4, DUAL, true, "127.0.0.1 has the port, [::] is refused");
	both(ANY4, LOOPBACK4, true, "0.0.0.0 has the port, 127.0.0.1 is refused");
	both(V6_ONLY, DUAL, true,
	     "[::] for IPv6 only has the port, [::] for both is refused");
	both(V6_ONLY, ANY4, false, "[::] for IPv6 only and 0.0.0.0 go together");
	both(V6_ONLY, LOOPBACK4, false, "[::] for IPv6 only and 127.0.0.1 go together");
	both(ANY4, V6_ONLY, false, "in the other order as well");
	client();
	time_wait();
	return tap_end();
}
