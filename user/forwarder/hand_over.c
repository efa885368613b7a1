/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/hand_over.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "forwarder/forwarder.h"

static void put(int *fds, uint16_t first, uint16_t count, uint16_t container_port, int fd)
{
	if (container_port >= first && container_port - first < count)
		fds[container_port - first] = fd;
}

int hand_over_sockets(struct forwarder *f, const struct forwarder_request *request,
		      int *fds, size_t *ret_n)
{
	uint16_t first = request->sockets.container_port, count = request->sockets.count;
	struct rule *rule = rule_find(f, request->sockets.rule);
	const struct udp_listener *udp;
	const struct listener *l;

	*ret_n = 0;
	if (!rule || rule->is_removed)
		return -ENOENT;
	count = count > FD_PASS_MAX ? FD_PASS_MAX : count;
	for (uint16_t i = 0; i < count; i++)
		fds[i] = -1;
	if (request->sockets.udp) {
		LIST_FOREACH(udp, &rule->udp_listeners, of_rule)
			put(fds, first, count, udp->container_port, udp->source.fd);
	} else {
		LIST_FOREACH(l, &rule->listeners, of_rule)
			put(fds, first, count, l->container_port, l->source.fd);
	}
	while (*ret_n < count && fds[*ret_n] >= 0)
		(*ret_n)++;
	return *ret_n ? 0 : -ENOENT;
}

static void tell(const struct udp_session *s, struct forwarder_session *ret)
{
	*ret = (struct forwarder_session){
		.rule = s->listener->rule->id,
		.container_port = s->listener->container_port,
		.is_replied = s->state == UDP_REPLIED,
		.client_port = s->entry.key.client_port,
		.scope = s->entry.key.scope,
		.client = s->entry.key.client,
		.local = s->entry.key.local,
	};
}

size_t hand_over_sessions(struct forwarder *f, uint32_t after, struct forwarder_sessions *ret,
			  int *fds)
{
	struct udp_entry *entries[FORWARDER_SESSIONS_PAGE];

	ret->after = after;
	ret->n = (uint32_t)udp_table_page(&f->udp.table, &ret->after, entries,
					  FORWARDER_SESSIONS_PAGE);
	for (uint32_t i = 0; i < ret->n; i++) {
		struct udp_session *s =
			(void *)((char *)entries[i] - offsetof(struct udp_session, entry));

		/* the other process finds out from the socket where it leads */
		udp_peer_settle(f, s);
		tell(s, &ret->list[i]);
		fds[i] = s->source.fd;
	}
	return ret->n;
}

static struct udp_listener *listener_of(struct forwarder *f, const struct forwarder_session *s)
{
	struct rule *rule = rule_find(f, s->rule);
	struct udp_listener *l;

	if (!rule)
		return NULL;
	LIST_FOREACH(l, &rule->udp_listeners, of_rule)
		if (l->container_port == s->container_port)
			return l;
	return NULL;
}

int hand_over_adopt(struct forwarder *f, const struct forwarder_session *session, int fd)
{
	struct udp_listener *l = listener_of(f, session);
	struct udp_key key = {
		.client = session->client,
		.local = session->local,
		.scope = session->scope,
		.client_port = session->client_port,
	};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr to;
	uint16_t port;

	if (!l)
		return -ENOENT;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	if (addr_from_sockaddr(&ss, &to, &port) < 0 || port != l->container_port ||
	    !addr_equal(&to, to.family == AF_INET6 ? &f->target6 : &f->target4))
		return -EHOSTUNREACH;
	return udp_adopt(f, l, &key, to.family, session->is_replied, fd);
}

/* Listeners find out when they are called: forwarder_may_accept(), udp_room(). */
void hand_over_pause(struct forwarder *f, bool pause)
{
	f->started = !pause;
	if (pause)
		return;
	listeners_resume(f);
	udp_start(f);
}

uint32_t hand_over_leave(struct forwarder *f, uint32_t timeout_ms)
{
	uint32_t open = (uint32_t)f->pairs_open;

	f->started = false;
	f->leaving = true;
	rules_leave(f, timeout_ms);
	if (!f->pairs_open)
		loop_stop(&f->loop);
	return open;
}
