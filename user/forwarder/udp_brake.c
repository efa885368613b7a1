/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_brake.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "base/fd.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"
#include "forwarder/udp_gauge.h"

/*
 * Until a full receiver is looked at again: it reads a datagram in 2 to 5 µs,
 * and its socket holds some 250 small or 10 large ones.
 */
#define WAIT_MIN_US 50
#define WAIT_MAX_US 400

/* For this, see room_in(). */
#define VAIN_MS 20
#define OFF_MS 100

/* From so many messages a millisecond on small batches are let grow, so long. */
#define FAST 40
#define FEW 16
#define GROW_US 100
#define BURST 32

/* How many there is room for, of those that came before; 0: wait. */
static unsigned int room_in(struct udp *u, struct udp_brake *b, const struct udp_gauge *gauge)
{
	/* sk_buff and head, and up to the next power of two */
	uint32_t space = 1024 + 2 * b->mean, room;

	if (gauge->used < gauge->size - gauge->size / 4) {
		b->waits_since = 0;
		b->wait_us = 0;
		room = (gauge->size - gauge->used) / space;
		return room < 1 ? 1 : room < UDP_BATCH_MAX ? room : UDP_BATCH_MAX;
	}
	if (!b->waits_since || gauge->used < b->used)
		b->waits_since = u->now;
	b->used = gauge->used;
	b->wait_us = (uint16_t)(b->wait_us < WAIT_MIN_US     ? WAIT_MIN_US :
				b->wait_us < WAIT_MAX_US / 2 ? 2 * b->wait_us :
							       WAIT_MAX_US);
	if (u->now - b->waits_since < VAIN_MS)
		return 0;
	b->off_until = u->now + OFF_MS;
	b->waits_since = 0;
	return UDP_BATCH_MAX;
}

static void set_timer(struct udp *u, long us)
{
	if (TAILQ_EMPTY(&u->braked) && TAILQ_EMPTY(&u->braked_sessions))
		timer_set_us(&u->brake_timer, us);
}

static void hold_up(struct udp_listener *l, long us)
{
	struct udp *u = &l->forwarder->udp;

	set_timer(u, us);
	udp_listener_hold(l, &u->braked);
}

static void hold_down(struct udp_session *s, long us)
{
	struct udp *u = &s->listener->forwarder->udp;

	if (s->is_held || loop_mod(&s->source, 0) < 0)
		return;
	set_timer(u, us);
	s->is_held = true;
	TAILQ_INSERT_TAIL(&u->braked_sessions, s, held);
}

/* Returns whether the next batch is to be let grow. */
static bool note(struct udp *u, struct udp_brake *b, int n, unsigned int max, uint64_t bytes)
{
	if (u->now != b->tick) {
		b->is_fast = b->count / (u->now - b->tick) >= FAST;
		b->count = 0;
		b->tick = u->now;
	}
	b->count += (uint32_t)n;
	b->is_full = n == (int)max;
	b->mean = (uint32_t)(bytes / (unsigned int)n);
	return b->is_fast && n < FEW && !b->is_full;
}

void udp_brake_note_up(struct udp_listener *l, int n, unsigned int max, uint64_t bytes)
{
	if (note(&l->forwarder->udp, &l->brake, n, max, bytes))
		hold_up(l, GROW_US);
}

void udp_brake_note_down(struct udp_session *s, int n, unsigned int max, uint64_t bytes)
{
	if (note(&s->listener->forwarder->udp, &s->brake, n, max, bytes))
		hold_down(s, GROW_US);
}

/* A burst may be more than a receiver holds, before it is known to be fast. */
static bool wants_look(const struct udp *u, const struct udp_brake *b)
{
	return (b->is_full || b->is_fast || b->count >= BURST) && u->now >= b->off_until;
}

static int *gauge_of(struct udp *u, sa_family_t family)
{
	return family == AF_INET6 ? &u->gauges.v6_fd : &u->gauges.v4_fd;
}

unsigned int udp_brake_up(struct udp_listener *l, struct udp_session *last)
{
	struct forwarder *f = l->forwarder;
	struct udp *u = &f->udp;
	struct sockaddr_storage from, to;
	socklen_t len = sizeof(from);
	struct udp_gauge gauge;
	unsigned int room;

	if (!wants_look(u, &l->brake) || !last)
		return UDP_BATCH_MAX;
	addr_to_sockaddr(last->family == AF_INET6 ? &f->target6 : &f->target4,
			 udp_peer_port(last), &to);
	if (getsockname(last->source.fd, (struct sockaddr *)&from, &len) < 0 ||
	    udp_gauge_read(*gauge_of(u, last->family), &from, &to, &gauge) < 0)
		return UDP_BATCH_MAX;
	/* one client's own socket: the others do not wait for it */
	room = gauge.is_shared ? room_in(u, &l->brake, &gauge) : UDP_BATCH_MAX;
	if (!room)
		hold_up(l, l->brake.wait_us);
	return room;
}

/* An address of @key, and its port, as a datagram's on the host would have it. */
static void put(const struct in6_addr *addr, in_port_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port };
	struct addr a;

	v6.sin6_addr = *addr;
	memcpy(ret, &v6, sizeof(v6));
	/* a mapped one becomes IPv4 */
	addr_from_sockaddr(ret, &a, NULL);
	addr_to_sockaddr(&a, ntohs(port), ret);
}

/* Of clients elsewhere this machine knows nothing. */
static bool is_client_here(const struct udp_key *key)
{
	struct sockaddr_storage ss;
	struct addr client;

	put(&key->client, 0, &ss);
	addr_from_sockaddr(&ss, &client, NULL);
	return addr_is_loopback(&client) ||
	       memcmp(&key->client, &key->local, sizeof(key->local)) == 0;
}

unsigned int udp_brake_down(struct udp_session *s)
{
	struct udp_listener *l = s->listener;
	const struct udp_key *key = &s->entry.key;
	struct udp *u = &l->forwarder->udp;
	struct sockaddr_storage from, to;
	struct udp_gauge gauge;
	unsigned int room;

	if (!wants_look(u, &s->brake) || !is_client_here(key))
		return UDP_BATCH_MAX;
	put(IN6_IS_ADDR_UNSPECIFIED(&key->local) ? &l->address : &key->local, l->port, &from);
	put(&key->client, key->client_port, &to);
	if (udp_gauge_read(u->gauges.host_fd, &from, &to, &gauge) < 0)
		return UDP_BATCH_MAX;
	room = room_in(u, &s->brake, &gauge);
	if (!room)
		hold_down(s, s->brake.wait_us);
	return room;
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct udp *u = (void *)((char *)source - offsetof(struct udp, brake_timer));
	struct udp_session *s;

	if (!timer_expired(source))
		return;
	udp_listeners_release(u, &u->braked);
	while ((s = TAILQ_FIRST(&u->braked_sessions)) && loop_mod(&s->source, EPOLLIN) >= 0) {
		TAILQ_REMOVE(&u->braked_sessions, s, held);
		s->is_held = false;
	}
	if (!TAILQ_EMPTY(&u->braked) || !TAILQ_EMPTY(&u->braked_sessions))
		timer_set_us(source, WAIT_MAX_US);
}

void udp_brake_prepare(struct forwarder *f)
{
	const struct addr *targets[] = { &f->target4, &f->target6 };

	if (f->udp.gauges.asked)
		return;
	f->udp.gauges.asked = true;
	for (int i = 0; i < 2; i++)
		if (targets[i]->family)
			connector_gauge(&f->connector, targets[i]);
}

void udp_brake_gauge(struct forwarder *f, sa_family_t family, int fd)
{
	int *gauge = gauge_of(&f->udp, family);

	fd_close(*gauge);
	*gauge = fd;
}

void udp_brake_forget(struct forwarder *f)
{
	udp_brake_gauge(f, AF_INET, -1);
	udp_brake_gauge(f, AF_INET6, -1);
	f->udp.gauges.asked = false;
}

int udp_brake_init(struct forwarder *f)
{
	struct udp *u = &f->udp;

	TAILQ_INIT(&u->braked);
	TAILQ_INIT(&u->braked_sessions);
	u->gauges = (struct udp_gauges){ .v4_fd = -1, .v6_fd = -1 };
	u->gauges.host_fd = udp_gauge_open();
	return timer_add(&f->loop, &u->brake_timer, on_timer);
}

void udp_brake_done(struct forwarder *f)
{
	udp_brake_forget(f);
	f->udp.gauges.host_fd = fd_close(f->udp.gauges.host_fd);
	timer_done(&f->udp.brake_timer);
}
