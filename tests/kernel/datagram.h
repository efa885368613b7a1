/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets on loopback. */
#pragma once

#include <netinet/udp.h>

#include "kernel/process.h"
#include "kernel/socket.h"

/* udp_bound - a socket on @addr of @family with a free port, which *ret has. */
static inline int udp_bound(int family, const char *addr, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	int fd = (int)MUST(socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6)
		MUST(inet_pton(family, addr, &v6->sin6_addr));
	else
		MUST(inet_pton(family, addr, &v4->sin_addr));
	MUST(bind(fd, (struct sockaddr *)ret, len));
	MUST(getsockname(fd, (struct sockaddr *)ret, &len));
	return fd;
}

/* udp_connected - a socket that sends to @to. */
static inline int udp_connected(const struct sockaddr_storage *to)
{
	int fd = (int)MUST(socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	MUST(connect(fd, (const struct sockaddr *)to,
		     to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
						 sizeof(struct sockaddr_in)));
	return fd;
}

static inline in_port_t port_of(const struct sockaddr_storage *ss)
{
	/* sin_port and sin6_port are in the same place */
	return ((const struct sockaddr_in *)ss)->sin_port;
}

/* The control message of @msg with that type, or NULL. */
static inline void *control_of(struct msghdr *msg, int level, int type)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	return NULL;
}
