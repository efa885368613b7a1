/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/udp.h"
#include "forwarder/forwarder.h"
#include "forwarder/rules.h"
#include "forwarder/udp.h"

static struct in6_addr mapped(struct in_addr v4)
{
	struct in6_addr v6 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(&v6.s6_addr[12], &v4, sizeof(v4));
	return v6;
}

/*
 * The address that a datagram was sent to, unless there is one only. A
 * broadcast is answered from the interface's address (ip(7), ipi_spec_dst),
 * which comes last of a dual-stack socket's; a multicast from what the route
 * says.
 */
static void read_local(struct msghdr *msg, struct udp_key *key)
{
	struct in6_pktinfo info6;
	struct in_pktinfo info4;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info4, CMSG_DATA(c), sizeof(info4));
			key->local = mapped(info4.ipi_spec_dst);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&info6, CMSG_DATA(c), sizeof(info6));
			if (IN6_IS_ADDR_MULTICAST(&info6.ipi6_addr))
				continue;
			key->local = info6.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(&info6.ipi6_addr))
				key->scope = info6.ipi6_ifindex;
		}
	}
}

static void read_key(const struct udp_listener *l, struct udp_batch *b, int i,
		     struct udp_key *key)
{
	const struct sockaddr_in6 *from = &b->messages[i].from;
	const struct sockaddr_in *from4 = (const struct sockaddr_in *)from;

	*key = (struct udp_key){ .listener = (uintptr_t)l };
	if (from->sin6_family == AF_INET) {
		key->client = mapped(from4->sin_addr);
		key->client_port = from4->sin_port;
	} else {
		key->client = from->sin6_addr;
		key->client_port = from->sin6_port;
		key->scope = from->sin6_scope_id;
	}
	read_local(&b->in[i].msg_hdr, key);
}

static size_t put_control(char *control, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)control;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	return CMSG_SPACE(len);
}

static void set_local(struct udp_to *to, const struct udp_key *key)
{
	struct in6_pktinfo info6 = { .ipi6_addr = key->local };
	struct in_pktinfo info4 = { 0 };

	if (IN6_IS_ADDR_UNSPECIFIED(&key->local))
		return;
	if (IN6_IS_ADDR_V4MAPPED(&key->local)) {
		memcpy(&info4.ipi_spec_dst, &key->local.s6_addr[12], 4);
		to->control_len = put_control(to->control, IPPROTO_IP, IP_PKTINFO, &info4,
					      sizeof(info4));
		return;
	}
	if (IN6_IS_ADDR_LINKLOCAL(&key->local))
		info6.ipi6_ifindex = key->scope;
	to->control_len = put_control(to->control, IPPROTO_IPV6, IPV6_PKTINFO, &info6,
				      sizeof(info6));
}

void udp_listener_to(sa_family_t family, const struct udp_key *key, struct udp_to *ret)
{
	*ret = (struct udp_to){ 0 };
	if (family == AF_INET) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = key->client_port;
		memcpy(&ret->v4.sin_addr, &key->client.s6_addr[12], 4);
		ret->len = sizeof(ret->v4);
	} else {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = key->client_port;
		ret->v6.sin6_addr = key->client;
		if (IN6_IS_ADDR_LINKLOCAL(&key->client))
			ret->v6.sin6_scope_id = key->scope;
		ret->len = sizeof(ret->v6);
	}
	set_local(ret, key);
}

void udp_listener_hold(struct udp_listener *l, struct udp_listener_list *list)
{
	struct udp *u = &l->forwarder->udp;

	if (l->held || loop_mod(&l->source, 0) < 0)
		return;
	l->held = list;
	TAILQ_REMOVE(&u->listeners, l, entry);
	TAILQ_INSERT_TAIL(list, l, entry);
}

void udp_listeners_release(struct udp *u, struct udp_listener_list *list)
{
	struct udp_listener *l;

	while ((l = TAILQ_FIRST(list))) {
		if (loop_mod(&l->source, EPOLLIN) < 0)
			return;
		l->held = NULL;
		TAILQ_REMOVE(list, l, entry);
		TAILQ_INSERT_TAIL(&u->listeners, l, entry);
	}
}

/*
 * Sorts the @n messages, of @max, of the batch by session. Returns how many sessions;
 * those of a message that can have none are dropped.
 */
static unsigned int sort(struct udp_listener *l, int n, unsigned int max,
			 struct udp_session **sessions)
{
	struct udp_batch *b = &l->forwarder->udp.batch;
	struct udp_session *s = NULL;
	struct udp_key key, last = { 0 };
	unsigned int found = 0;
	uint64_t bytes = 0;

	for (int i = 0; i < n; i++) {
		read_key(l, b, i, &key);
		if (!s || memcmp(&key, &last, sizeof(key)) != 0)
			s = udp_session_of(l->forwarder, l, &key);
		last = key;
		if (!s)
			continue;
		if (s->first < 0) {
			sessions[found++] = s;
			s->first = (int8_t)i;
		} else {
			b->messages[s->last].next = i;
		}
		bytes += b->messages[i].len;
		s->last = (int8_t)i;
	}
	l->rule->counts.up.relayed += bytes;
	udp_brake_note_up(l, n, max, bytes);
	l->last = s;
	return found;
}

static void on_datagrams(struct loop_source *source, uint32_t events)
{
	struct udp_listener *l = (struct udp_listener *)source;
	struct udp_session *sessions[UDP_BATCH_MAX];
	struct forwarder *f = l->forwarder;
	unsigned int room, max, n_sessions;
	int n;

	udp_tick(&f->udp);
	room = l->rule->is_open ? udp_room(f) : 0;
	if (!room) {
		udp_listener_hold(l, &f->udp.paused);
		udp_pause_begins(f);
		return;
	}
	max = udp_brake_up(l, l->last);
	if (!max)
		return;
	max = max < room ? max : room;
	n = udp_batch_recv(&f->udp.batch, source->fd, max);
	if (n <= 0)
		return;
	n_sessions = sort(l, n, max, sessions);
	for (unsigned int i = 0; i < n_sessions; i++)
		udp_session_send(f, sessions[i]);
}

/* What it is bound to, and of which addresses its datagrams tell. */
static int set_up(struct udp_listener *l, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;
	uint16_t port;
	bool any;
	int r;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	r = addr_from_sockaddr(&ss, &at, &port);
	if (r < 0)
		return r;
	any = at.family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&at.v6) :
				      at.v4.s_addr == INADDR_ANY;
	l->family = at.family;
	l->address = at.family == AF_INET6 ? at.v6 : mapped(at.v4);
	l->port = htons(port);
	udp_take_bursts(fd);
	return any ? udp_tell_local(fd, true, at.family == AF_INET6) : 0;
}

int udp_listener_new(struct rule *rule, int fd, uint16_t container_port,
		     struct udp_listener **ret)
{
	struct forwarder *f = rule->forwarder;
	struct udp_listener *l = malloc(sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct udp_listener){
		.forwarder = f,
		.rule = rule,
		.container_port = container_port,
	};
	r = set_up(l, fd);
	if (r >= 0)
		r = loop_add(&f->loop, &l->source, fd, EPOLLIN, on_datagrams);
	if (r < 0) {
		free(l);
		return r;
	}
	TAILQ_INSERT_TAIL(&f->udp.listeners, l, entry);
	LIST_INSERT_HEAD(&rule->udp_listeners, l, of_rule);
	f->listeners_open++;
	*ret = l;
	return 0;
}

void udp_listener_free(struct udp_listener *l)
{
	struct udp *u = &l->forwarder->udp;

	TAILQ_REMOVE(l->held ? l->held : &u->listeners, l, entry);
	LIST_REMOVE(l, of_rule);
	l->forwarder->listeners_open--;
	loop_del(&l->source);
	fd_close(l->source.fd);
	free(l);
}
