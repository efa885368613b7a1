/* SPDX-License-Identifier: Apache-2.0 */
#include "udp.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

static void tune(int fd, const struct options *o)
{
	int rcvbuf = (int)o->rcvbuf, sndbuf = (int)o->sndbuf;

	if (rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0)
		die_errno("setsockopt SO_RCVBUF");
	if (sndbuf && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)) < 0)
		die_errno("setsockopt SO_SNDBUF");
}

static int udp_socket(int family, const struct options *o)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die_errno("socket");
	tune(fd, o);
	return fd;
}

static void bind_to(int fd, const struct addr *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, port, &ss);
	char text[ADDR_TEXT_MAX];

	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		die_errno("bind %s", addr_format_port(addr, port, text));
}

int udp_bind(const struct options *o, uint16_t port)
{
	struct addr any = { .family = o->family == AF_INET ? AF_INET : AF_INET6 };
	const struct addr *addr = o->addr.family != AF_UNSPEC ? &o->addr : &any;
	int v6only = o->family == AF_INET6 || o->addr.family == AF_INET6;
	int fd = udp_socket(addr->family, o);

	if (addr->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		die_errno("setsockopt IPV6_V6ONLY");
	bind_to(fd, addr, port);
	return fd;
}

int udp_listen(const struct options *o)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = udp_bind(o, o->port);
	struct addr addr;
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&ss, &addr, &port) < 0)
		die_errno("getsockname");
	if (!o->port)
		say("port: %u", port);
	if (o->ready_fd >= 0) {
		if (dprintf(o->ready_fd, "%u\n", port) < 0)
			die_errno("--ready-fd %d", o->ready_fd);
		close(o->ready_fd);
	}
	return fd;
}

int udp_connected(const struct options *o, unsigned int index)
{
	unsigned int ports = (unsigned int)(o->port_end - o->port) + 1;
	uint16_t port = (uint16_t)(o->port + index % ports);
	int fd = udp_socket(o->addr.family, o);
	struct sockaddr_storage ss;
	struct addr source = o->source;
	char text[ADDR_TEXT_MAX];
	socklen_t len;

	if (source.family == AF_INET)
		source.v4.s_addr = htonl(ntohl(source.v4.s_addr) + index % o->sources);
	if (source.family != AF_UNSPEC)
		bind_to(fd, &source, 0);
	len = addr_to_sockaddr(&o->addr, port, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		die_errno("connect %s", addr_format_port(&o->addr, port, text));
	return fd;
}
