/* SPDX-License-Identifier: Apache-2.0 */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "util.h"

/* The kernel cuts it to net.core.somaxconn. */
#define BACKLOG 65535

void netns_enter(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die_errno("--netns %s", path);
	if (setns(fd, CLONE_NEWNET) < 0)
		die_errno("--netns %s: setns", path);
}

static void set(int fd, int level, int name, const char *text, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		die_errno("setsockopt %s %d", text, value);
}

static void tune(int fd, const struct options *o, int nodelay)
{
	if (o->nodelay >= 0)
		nodelay = o->nodelay;
	if (nodelay)
		set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
	if (o->sndbuf)
		set(fd, SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", (int)o->sndbuf);
}

static int tcp_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die_errno("socket");
	return fd;
}

/* A window is agreed on in the handshake, so this comes before it. */
static void tune_early(int fd, const struct options *o)
{
	if (o->rcvbuf)
		set(fd, SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", (int)o->rcvbuf);
}

static int listen_on(const struct options *o, uint16_t port)
{
	struct addr any = { .family = o->family == AF_INET ? AF_INET : AF_INET6 };
	const struct addr *addr = o->addr.family != AF_UNSPEC ? &o->addr : &any;
	struct sockaddr_storage ss;
	char text[ADDR_TEXT_MAX];
	socklen_t len;
	int fd;

	fd = tcp_socket(addr->family);
	set(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", 1);
	if (addr->family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY",
		    o->family == AF_INET6 || o->addr.family == AF_INET6);
	tune_early(fd, o);
	len = addr_to_sockaddr(addr, port, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		die_errno("bind %s", addr_format_port(addr, port, text));
	if (listen(fd, BACKLOG) < 0)
		die_errno("listen %s", addr_format_port(addr, port, text));
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr addr;
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&ss, &addr, &port) < 0)
		die_errno("getsockname");
	return port;
}

struct listeners sock_listen(const struct options *o)
{
	struct listeners l = { .n = (unsigned int)(o->port_end - o->port) + 1 };
	unsigned int i;

	l.fds = xalloc(l.n, sizeof(*l.fds));
	for (i = 0; i < l.n; i++)
		l.fds[i] = listen_on(o, (uint16_t)(o->port + i));
	if (!o->port)
		say("port: %u", port_of(l.fds[0]));
	if (o->ready_fd >= 0) {
		if (dprintf(o->ready_fd, "%u\n", port_of(l.fds[0])) < 0)
			die_errno("--ready-fd %d", o->ready_fd);
		close(o->ready_fd);
	}
	return l;
}

void sock_set_blocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 ||
	    fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0)
		die_errno("fcntl");
}

int sock_accept(int listener, const struct options *o, enum io io, int nodelay)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL,
			     SOCK_CLOEXEC | (io == IO_BLOCKING ? 0 : SOCK_NONBLOCK));
		if (fd >= 0)
			break;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN || io != IO_BLOCKING)
			return -errno;
		poll(&pfd, 1, -1);
	}
	tune(fd, o, nodelay);
	return fd;
}

/* The address @index steps above the first one, round and round. */
static struct addr source_of(const struct options *o, unsigned int index)
{
	struct addr a = o->source;
	uint32_t host;

	if (a.family == AF_INET) {
		host = ntohl(a.v4.s_addr) + index % o->sources;
		a.v4.s_addr = htonl(host);
	}
	return a;
}

int sock_open(const struct options *o, unsigned int index, enum io io, int nodelay)
{
	struct addr source = source_of(o, index);
	struct sockaddr_storage ss;
	char text[ADDR_TEXT_MAX];
	socklen_t len;
	int fd;

	fd = tcp_socket(o->addr.family);
	if (io == IO_BLOCKING)
		sock_set_blocking(fd, true);
	tune_early(fd, o);
	tune(fd, o, nodelay);
	if (source.family == AF_UNSPEC)
		return fd;
	set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT", 1);
	len = addr_to_sockaddr(&source, 0, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		die_errno("--source %s: bind", addr_format(&source, text));
	return fd;
}

int sock_connect(int fd, const struct options *o, unsigned int index)
{
	unsigned int ports = (unsigned int)(o->port_end - o->port) + 1;
	struct sockaddr_storage ss;
	socklen_t len;
	int r;

	len = addr_to_sockaddr(&o->addr, (uint16_t)(o->port + index % ports), &ss);
	do {
		r = connect(fd, (struct sockaddr *)&ss, len);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int sock_connected(const struct options *o, unsigned int index, enum io io, int nodelay)
{
	int fd = sock_open(o, index, IO_BLOCKING, nodelay);
	char text[ADDR_TEXT_MAX];
	int r;

	r = sock_connect(fd, o, index);
	if (r < 0) {
		errno = -r;
		die_errno("connect %s", addr_format_port(&o->addr, o->port, text));
	}
	if (io != IO_BLOCKING)
		sock_set_blocking(fd, false);
	return fd;
}

void sock_close_rst(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		die_errno("setsockopt SO_LINGER");
	close(fd);
}
