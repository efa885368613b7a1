/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_gauge.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 diag;
};

int udp_gauge_open(void)
{
	static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					NETLINK_SOCK_DIAG);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static void put(const struct sockaddr_storage *ss, __be32 *addr, __be16 *port)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;

	if (ss->ss_family == AF_INET6) {
		memcpy(addr, &v6->sin6_addr, sizeof(v6->sin6_addr));
		*port = v6->sin6_port;
	} else {
		addr[0] = v4->sin_addr.s_addr;
		*port = v4->sin_port;
	}
}

/* The kernel's: what is not one could be taken for success. */
static int parse_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(e->error)) || e->error >= 0 || e->error < -ERRNO_MAX)
		return -EBADMSG;
	return e->error;
}

static int parse(const struct nlmsghdr *h, size_t len, struct udp_gauge *ret)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(h);
	const struct rtattr *attr = (const struct rtattr *)(msg + 1);
	uint32_t memory[SK_MEMINFO_VARS];
	int rest;

	if (!NLMSG_OK(h, len))
		return -EBADMSG;
	if (h->nlmsg_type == NLMSG_ERROR)
		return parse_error(h);
	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)))
		return -EBADMSG;
	ret->used = msg->idiag_rqueue;
	ret->is_shared = !msg->id.idiag_dport;
	rest = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	for (; RTA_OK(attr, rest); attr = RTA_NEXT(attr, rest)) {
		if (attr->rta_type != INET_DIAG_SKMEMINFO ||
		    RTA_PAYLOAD(attr) < (SK_MEMINFO_RCVBUF + 1) * sizeof(*memory))
			continue;
		memcpy(memory, RTA_DATA(attr), (SK_MEMINFO_RCVBUF + 1) * sizeof(*memory));
		ret->size = memory[SK_MEMINFO_RCVBUF];
		return 0;
	}
	return -EBADMSG;
}

int udp_gauge_read(int fd, const struct sockaddr_storage *from,
		   const struct sockaddr_storage *to, struct udp_gauge *ret)
{
	static char reply[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct request request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.diag = {
			.sdiag_family = (uint8_t)to->ss_family,
			.sdiag_protocol = IPPROTO_UDP,
			.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
			.idiag_states = UINT32_MAX,
			.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
		},
	};
	ssize_t n;

	/* as the datagram would be looked up: from is `src` (net/ipv4/udp_diag.c) */
	put(from, request.diag.id.idiag_src, &request.diag.id.idiag_sport);
	put(to, request.diag.id.idiag_dst, &request.diag.id.idiag_dport);
	if (send(fd, &request, sizeof(request), MSG_DONTWAIT) < 0)
		return -errno;
	/* it is answered in the call above */
	n = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
	return n < 0 ? -errno : parse((const struct nlmsghdr *)reply, (size_t)n, ret);
}
