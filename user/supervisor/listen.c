/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/listen.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/udp.h"

/* As large as the kernel allows: net.core.somaxconn cuts it (listen(2)). */
#define BACKLOG 65535

static int unprivileged_port_start(void)
{
	_cleanup_fclose_ FILE *f =
		fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	int start = 1024;

	if (f && fscanf(f, "%d", &start) != 1)
		start = 1024;
	return start;
}

static int failed(bool udp, const struct addr *host, uint16_t port, const char *call, int r,
		  struct error *err)
{
	char text[ADDR_TEXT_MAX];
	int start;

	addr_format_port(host, port, text);
	error_errno(err, r, "listen %s %s: %s", udp ? "udp" : "tcp", text, call);
	if (r != -EACCES)
		return r;
	start = unprivileged_port_start();
	return error_wrap(err, r,
			  "cannot expose privileged port %d, you can add "
			  "'net.ipv4.ip_unprivileged_port_start=%d' to /etc/sysctl.conf "
			  "(currently %d), or choose a larger port number (>= %d)",
			  port, port, start, start);
}

static int set_options(int fd, bool udp, int family, int v6only)
{
	int on = 1;

	/* not SO_REUSEPORT, nor either of them for UDP: it would hide that a port is busy */
	if (!udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
					     sizeof(v6only)) < 0)
		return -errno;
	if (!udp)
		return tcp_set_options(fd);
	udp_set_buffers(fd);
	return 0;
}

int listen_socket(bool udp, const struct addr *at, uint16_t port, int v6only,
		  const char **ret_call)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(at, port, &ss);
	int r;

	*ret_call = "socket";
	fd = socket(ss.ss_family,
		    (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	*ret_call = "setsockopt";
	r = set_options(fd, udp, ss.ss_family, v6only);
	if (r < 0)
		return r;
	*ret_call = "bind";
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	*ret_call = "listen";
	if (!udp && listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int listen_adopt(bool udp, int fd)
{
	socklen_t len = sizeof(int);
	int type, r;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != (udp ? SOCK_DGRAM : SOCK_STREAM))
		return -EPROTOTYPE;
	r = fd_set_nonblock(fd);
	if (r >= 0)
		r = fd_set_cloexec(fd, 1);
	if (udp)
		udp_set_buffers(fd);
	else if (r >= 0)
		r = tcp_set_options(fd);
	/* whoever listens already only gets the longer queue */
	if (r >= 0 && !udp && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r;
}

/*
 * Whether any interface has an IPv6 address, and lo has one wherever IPv6 is
 * on: disabled by sysctl, a socket of that family could still be bound.
 */
static bool has_ipv6(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/net/if_inet6", "re");

	return f && fgetc(f) != EOF;
}

static int open_dual_stack(bool udp, uint16_t port, const char **ret_call)
{
	static const struct addr any6 = { .family = AF_INET6 };
	static const struct addr any4 = { .family = AF_INET };
	static enum { UNKNOWN, ABSENT, PRESENT } ipv6;

	if (ipv6 == UNKNOWN) {
		ipv6 = has_ipv6() ? PRESENT : ABSENT;
		if (ipv6 == ABSENT)
			log_info("this host has no IPv6: listening on IPv4 only");
	}
	if (ipv6 == ABSENT)
		return listen_socket(udp, &any4, port, 0, ret_call);
	return listen_socket(udp, &any6, port, 0, ret_call);
}

static int listen_on(bool udp, const struct addr *host, uint16_t *port, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	const char *call;
	struct addr unused;

	if (host->family == AF_UNSPEC)
		fd = open_dual_stack(udp, *port, &call);
	else
		fd = listen_socket(udp, host, *port, 1, &call);
	if (fd < 0)
		return failed(udp, host, *port, call, fd, err);
	if (!*port && getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&ss, &unused, port);
	return TAKE_FD(fd);
}

int listen_tcp(const struct addr *host, uint16_t *port, struct error *err)
{
	return listen_on(false, host, port, err);
}

int listen_udp(const struct addr *host, uint16_t *port, struct error *err)
{
	return listen_on(true, host, port, err);
}
