/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "forwarder/forwarder.h"
#include "forwarder/udp.h"
#include "forwarder/udp_gauge.h"

/*
 * More than a client repeats a request that nobody answers. Each costs a route lookup, which
 * a client that only ever sends is not to pay for ever.
 */
#define UNANSWERED_MAX 16

static const struct addr *target_of(const struct forwarder *f, const struct udp_session *s)
{
	return s->family == AF_INET6 ? &f->target6 : &f->target4;
}

/* Connected before, a socket keeps its own port. */
static int connect_to(int fd, const struct addr *target, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(target, port, &ss);

	return connect(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

int udp_peer_begin(int fd, const struct addr *target)
{
	return connect_to(fd, target, 0);
}

uint16_t udp_peer_port(const struct udp_session *s)
{
	bool is_other = s->peer.is_settled && s->peer.answered_by;

	return is_other ? ntohs(s->peer.answered_by) : s->listener->container_port;
}

void udp_peer_heard(struct udp_session *s, const struct udp_message *last)
{
	if (!s->peer.is_settled)
		s->peer.answered_by = last->from.sin6_port; /* sin_port is at the same place */
}

void udp_peer_settle(struct forwarder *f, struct udp_session *s)
{
	if (s->peer.is_settled)
		return;
	s->peer.is_settled = true;
	/* on failure it stays as it is, and is tried again */
	if (connect_to(s->source.fd, target_of(f, s), udp_peer_port(s)) < 0)
		s->peer.is_settled = false;
}

static void begin_again(struct forwarder *f, struct udp_session *s)
{
	s->peer = (struct udp_peer){ 0 };
	udp_peer_begin(s->source.fd, target_of(f, s));
}

static bool is_elsewhere(const struct udp_session *s)
{
	return s->peer.is_settled && udp_peer_port(s) != s->listener->container_port;
}

/* A client may ask for the next file by the same port: nobody listens at the old one. */
static bool is_gone(struct forwarder *f, const struct udp_session *s)
{
	int gauge = s->family == AF_INET6 ? f->udp.gauges.v6_fd : f->udp.gauges.v4_fd;
	struct sockaddr_storage from, to;
	socklen_t len = sizeof(from);
	struct udp_gauge unused;

	addr_to_sockaddr(target_of(f, s), udp_peer_port(s), &to);
	return getsockname(s->source.fd, (struct sockaddr *)&from, &len) == 0 &&
	       udp_gauge_read(gauge, &from, &to, &unused) == -ENOENT;
}

void udp_peer_to(struct forwarder *f, struct udp_session *s, struct udp_to *ret)
{
	struct sockaddr_storage ss;

	if (is_elsewhere(s) && is_gone(f, s))
		begin_again(f, s);
	if (s->peer.answered_by || s->peer.unanswered == UNANSWERED_MAX)
		udp_peer_settle(f, s);
	ret->len = ret->control_len = 0;
	if (s->peer.is_settled)
		return;
	s->peer.unanswered += s->peer.unanswered < UNANSWERED_MAX;
	ret->len = addr_to_sockaddr(target_of(f, s), udp_peer_port(s), &ss);
	memcpy(&ret->v6, &ss, sizeof(ret->v6));
}

bool udp_peer_refused(struct forwarder *f, struct udp_session *s)
{
	if (!is_elsewhere(s))
		return true;
	begin_again(f, s);
	return false;
}
