/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/holder.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "supervisor/holder_process.h"

/* Together for the look at sockets and at processes. */
#define BUDGET_MS 500

/* Reads of a list, each of up to 8 KiB, some 40 sockets. */
#define READS_MAX 64

/* TCP_BOUND_INACTIVE of include/net/tcp_states.h, in lists since Linux 6.8 */
#define BOUND_INACTIVE 13

/* A UDP socket that is not connected is TCP_CLOSE. */
#define UNCONNECTED (1U << TCP_LISTEN | 1U << TCP_CLOSE | 1U << BOUND_INACTIVE)

struct found {
	bool is_there, v6only, covers_v4;
	uint8_t state;
	struct addr at, peer;
	uint16_t peer_port;
	uint32_t uid, inode;
};

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 diag;
	struct rtattr attr;
	struct inet_diag_bc_op ops[4];
};

uint64_t holder_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Those with that port: each op has its port in the next one, and jumps 4 past the end if not. */
static int ask(int fd, bool udp, uint8_t family, uint32_t states, uint16_t port)
{
	struct request r = {
		.header = {
			.nlmsg_len = sizeof(r),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.diag = {
			.sdiag_family = family,
			.sdiag_protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
			.idiag_states = states,
		},
		.attr = {
			.rta_len = RTA_LENGTH(sizeof(r.ops)),
			.rta_type = INET_DIAG_REQ_BYTECODE,
		},
		.ops = {
			{ INET_DIAG_BC_S_GE, 2 * sizeof(*r.ops), sizeof(r.ops) + 4 },
			{ .no = port },
			{ INET_DIAG_BC_S_LE, 2 * sizeof(*r.ops), 2 * sizeof(*r.ops) + 4 },
			{ .no = port },
		},
	};

	return send(fd, &r, sizeof(r), MSG_DONTWAIT) < 0 ? -errno : 0;
}

static void read_addr(uint8_t family, const __be32 from[4], in_port_t port, struct addr *ret,
		      uint16_t *ret_port)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;

	ss.ss_family = family;
	if (family == AF_INET6) {
		memcpy(&v6->sin6_addr, from, sizeof(v6->sin6_addr));
		v6->sin6_port = port;
	} else {
		memcpy(&v4->sin_addr, from, sizeof(v4->sin_addr));
		v4->sin_port = port;
	}
	addr_from_sockaddr(&ss, ret, ret_port);
}

static bool is_any(const struct addr *a)
{
	return a->family == AF_INET ? a->v4.s_addr == INADDR_ANY : IN6_IS_ADDR_UNSPECIFIED(&a->v6);
}

static bool meets(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && (is_any(a) || is_any(b) ||
	       memcmp(&a->v6, &b->v6, a->family == AF_INET ? sizeof(a->v4) : sizeof(a->v6)) == 0);
}

/* Does @f keep @host from being bound, and from which family? */
static bool is_in_the_way(struct found *f, const struct addr *host)
{
	static const struct addr any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };
	bool is_dual = f->at.family == AF_INET6 && is_any(&f->at) && !f->v6only;
	bool both = host->family == AF_UNSPEC;
	const struct addr *v4 = both ? &any4 : host, *v6 = both ? &any6 : host;

	f->covers_v4 = meets(&f->at, v4) || (is_dual && v4->family == AF_INET);
	return f->covers_v4 || meets(&f->at, v6);
}

static void parse(const struct nlmsghdr *h, const struct addr *host, struct found *ret)
{
	const struct inet_diag_msg *d = NLMSG_DATA(h);
	struct found f = {
		.is_there = true,
		.state = d->idiag_state,
		.uid = d->idiag_uid,
		.inode = d->idiag_inode,
	};
	int left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*d)));
	uint16_t unused;

	read_addr(d->idiag_family, d->id.idiag_src, d->id.idiag_sport, &f.at, &unused);
	read_addr(d->idiag_family, d->id.idiag_dst, d->id.idiag_dport, &f.peer, &f.peer_port);
	for (const struct rtattr *a = (const struct rtattr *)(d + 1); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if (a->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(a) >= 1)
			f.v6only = *(const uint8_t *)RTA_DATA(a);
	/* one that still belongs to a process says more */
	if (is_in_the_way(&f, host) && (!ret->is_there || (!ret->inode && f.inode)))
		*ret = f;
}

/* Returns whether there is more to read. */
static bool read_some(int fd, const struct addr *host, struct found *ret)
{
	static char reply[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
	const struct nlmsghdr *h;
	int left = n < 0 ? 0 : (int)n;

	for (h = (const struct nlmsghdr *)reply; left >= NLMSG_HDRLEN &&
	     h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= (size_t)left; h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			return false;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			parse(h, host, ret);
	}
	return n > 0;
}

static void find_in(bool udp, uint8_t family, uint32_t states, const struct addr *host,
		    uint16_t port, uint64_t end, struct found *ret)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int reads = 0;

	if (fd < 0 || ask(fd, udp, family, states, port) < 0)
		return;
	while (reads++ < READS_MAX && !(ret->is_there && ret->inode) && holder_now() < end &&
	       read_some(fd, host, ret))
		;
}

/* A listener first, then whatever else has the port. */
static void find(bool udp, const struct addr *host, uint16_t port, uint64_t end,
		 struct found *ret)
{
	static const uint32_t states[] = { UNCONNECTED, ~UNCONNECTED };
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	*ret = (struct found){ 0 };
	for (int i = 0; i < 2 && !ret->is_there; i++)
		for (int j = 0; j < 2 && !(ret->is_there && ret->inode); j++)
			find_in(udp, families[j], states[i], host, port, end, ret);
}

static void describe(bool udp, uint16_t port, const struct found *f, const char *who,
		     char text[280])
{
	char at[ADDR_TEXT_MAX], peer[ADDR_TEXT_MAX];
	bool is_bound = 1U << f->state & UNCONNECTED;

	addr_format_port(&f->at, port, at);
	addr_format_port(&f->peer, f->peer_port, peer);
	if (is_bound)
		snprintf(text, 280, "%s %s %s%s", who,
			 udp || f->state != TCP_LISTEN ? "has" : "listens on", at,
			 f->v6only && is_any(&f->at) ? ", IPv6 only" : "");
	else if (f->state == TCP_TIME_WAIT)
		snprintf(text, 280, "a connection from %.60s to %.60s has ended a moment ago", at, peer);
	else
		snprintf(text, 280, "%s has a connection from %.60s to %.60s", who, at, peer);
}

void holder_find(bool udp, const struct port_spec *spec, uint16_t port, struct holder *ret)
{
	static const struct addr any6 = { .family = AF_INET6 };
	uint64_t end = holder_now() + BUDGET_MS;
	char who[64], text[280];
	struct found f;
	bool is_known;

	*ret = (struct holder){ "", "" };
	find(udp, &spec->host_addr, port, end, &f);
	if (!f.is_there) {
		snprintf(ret->text, sizeof(ret->text), "take another port, or see `ss -%canp 'sport = "
			 ":%u'`, as root, for what has it", udp ? 'u' : 't', port);
		return;
	}
	if (spec->host_addr.family == AF_UNSPEC && !f.covers_v4)
		addr_format_port(&any6, port, ret->part);
	is_known = holder_process(f.inode, end, who, sizeof(who));
	if (!is_known)
		snprintf(who, sizeof(who), "a process of user id %u", f.uid);
	describe(udp, port, &f, who, text);
	if (is_known || f.state == TCP_TIME_WAIT)
		snprintf(ret->text, sizeof(ret->text), "%s; take another port%s", text,
			 f.state == TCP_TIME_WAIT ? ", or wait a minute" : "");
	else
		snprintf(ret->text, sizeof(ret->text), "%s; take another port, or see `ss -%canp 'sport "
			 "= :%u'`, as root, for the process", text, udp ? 'u' : 't', port);
}
