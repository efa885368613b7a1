/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"
#include "forwarder/rules.h"

/* Newcomers and those behind them wait so long for sockets of the container. */
#define PAUSE_MS 100
/* When none came, newcomers are dropped so long, and the others served. */
#define STARVED_MS 100

/* So many may end in one turn of the loop. */
#define EXPIRE_BATCH 256

void udp_tick(struct udp *u)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	u->now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t timeout_of(const struct udp *u, int state)
{
	return 1000ull * (state == UDP_REPLIED ? u->limits.timeout_stream : u->limits.timeout);
}

/* Sets the timer to when the next session may end. */
static void arm(struct udp *u)
{
	uint64_t next = UINT64_MAX, at;

	for (int i = 0; i < UDP_STATES; i++) {
		if (TAILQ_EMPTY(&u->pool.idle[i]))
			continue;
		at = TAILQ_FIRST(&u->pool.idle[i])->seen + timeout_of(u, i);
		next = at < next ? at : next;
	}
	u->timer_at = next;
	if (next != UINT64_MAX)
		timer_set(&u->timer, next > u->now ? (long)(next - u->now) : 1);
}

static void session_free(struct forwarder *f, struct udp_session *s)
{
	udp_table_remove(&f->udp.table, &s->entry);
	udp_idle_remove(s);
	udp_family_end(s);
	s->listener->rule->udp_sessions--;
	if (s->listener->last == s)
		s->listener->last = NULL;
	if (s->is_held)
		TAILQ_REMOVE(&f->udp.braked_sessions, s, held);
	loop_del(&s->source);
	fd_close(s->source.fd);
	free(s);
}

static void touch(struct udp *u, struct udp_session *s, enum udp_state state)
{
	bool is_first_reply = s->state != state;

	udp_idle_remove(s);
	s->state = (uint8_t)state;
	s->seen = u->now;
	udp_idle_add(s);
	if (is_first_reply && u->now + timeout_of(u, state) < u->timer_at)
		arm(u);
}

static void expire(struct forwarder *f)
{
	struct udp *u = &f->udp;
	struct udp_session *s;
	int n = 0;

	for (int i = 0; i < UDP_STATES; i++)
		while ((s = TAILQ_FIRST(&u->pool.idle[i])) && n++ < EXPIRE_BATCH &&
		       s->seen + timeout_of(u, i) <= u->now)
			session_free(f, s);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct udp *u = (void *)((char *)source - offsetof(struct udp, timer));
	struct forwarder *f = (void *)((char *)u - offsetof(struct forwarder, udp));

	if (!timer_expired(source))
		return;
	udp_tick(u);
	if (!TAILQ_EMPTY(&u->paused) && f->started) {
		if (!udp_room(f))
			u->starved_until = u->now + STARVED_MS;
		udp_listeners_release(u, &u->paused);
	}
	expire(f);
	arm(u);
}

static void refused(struct forwarder *f, struct udp_session *s)
{
	if (udp_family_refused(f, s) || !udp_peer_refused(f, s))
		return;
	s->listener->rule->counts.refused++;
	udp_icmp_refused(f, s);
}

static void on_reply(struct loop_source *source, uint32_t events)
{
	struct udp_session *s = (struct udp_session *)source;
	struct udp_listener *l = s->listener;
	struct forwarder *f = l->forwarder;
	struct udp_batch *b = &f->udp.batch;
	uint64_t bytes = 0;
	struct udp_to to;
	unsigned int max;
	int n;

	udp_tick(&f->udp);
	max = udp_brake_down(s);
	if (!max)
		return;
	n = udp_batch_recv(b, source->fd, max);
	if (n == -ECONNREFUSED)
		refused(f, s);
	if (n <= 0) {
		reach_failed(f, s->family, n);
		return;
	}
	reach_worked(f, s->family);
	for (int i = 0; i < n; i++) {
		b->messages[i].next = i < n - 1 ? i + 1 : -1;
		bytes += b->messages[i].len;
	}
	l->rule->counts.down.relayed += bytes;
	udp_peer_heard(s, &b->messages[n - 1]);
	udp_brake_note_down(s, n, max, bytes);
	udp_family_answered(s);
	udp_listener_to(l->family, &s->entry.key, &to);
	udp_batch_send(b, l->source.fd, &to, 0, &s->largest_down);
	touch(&f->udp, s, UDP_REPLIED);
}

void udp_session_send(struct forwarder *f, struct udp_session *s)
{
	int first = s->first, r;
	struct udp_to to;

	s->first = s->last = -1;
	udp_family_keep(f, s, first);
	udp_peer_to(f, s, &to);
	r = udp_batch_send(&f->udp.batch, s->source.fd, &to, first, &s->largest_up);
	if (r == -ECONNREFUSED)
		refused(f, s);
	if (r < 0)
		reach_failed(f, s->family, r);
	touch(&f->udp, s, s->state);
}

/* The session that was idle longest ends, of @rule, or (NULL) of all. */
static bool make_room(struct forwarder *f, struct rule *rule)
{
	struct udp_session *s = udp_idle_oldest(f, rule);

	if (!s)
		return false;
	session_free(f, s);
	return true;
}

static bool make_room_for_all(struct forwarder *f)
{
	struct gate *all = &f->gates.all;
	unsigned long max = forwarder_udp_max(f);
	struct udp *u = &f->udp;

	if (u->table.n >= all->limits.of[LIMIT_UDP_SESSIONS])
		gate_tell(all, LIMIT_UDP_SESSIONS);
	else if (u->table.n < max)
		return true;
	else if (log_allowed(&u->full_limit))
		log_warn("udp: %zu sessions are open, as many as the limit of open files allows: "
			 "the one that is idle longest makes room for a new one", u->table.n);
	return make_room(f, NULL);
}

static bool make_room_within_limits(struct forwarder *f, struct rule *rule)
{
	if (rule->udp_sessions >= rule->gate.limits.of[LIMIT_UDP_SESSIONS]) {
		gate_tell(&rule->gate, LIMIT_UDP_SESSIONS);
		if (!make_room(f, rule))
			return false;
	}
	return make_room_for_all(f);
}

/* A socket of the container, for udp_peer.h; or -errno. */
static int open_socket(struct forwarder *f, const struct addr *target)
{
	int fd = connector_take(&f->connector, target, true), r;

	if (fd < 0)
		return fd;
	r = udp_peer_begin(fd, target);
	/* no port is free there */
	if (r == -EAGAIN && log_allowed(&f->udp.full_limit))
		log_warn("udp: %zu sessions are open, and none of the container's ports is left "
			 "for a new one (sysctl net.ipv4.ip_local_port_range): the one that is "
			 "idle longest makes room", f->udp.table.n);
	if (r == -EAGAIN && make_room(f, NULL))
		r = udp_peer_begin(fd, target);
	if (r >= 0)
		return fd;
	fd_close(fd);
	return r;
}

static struct udp_session *session_new(struct forwarder *f, struct udp_listener *l,
				       const struct udp_key *key, sa_family_t family, int fd)
{
	struct udp *u = &f->udp;
	struct udp_session *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct udp_session){
		.entry.key = *key,
		.listener = l,
		.family = (uint8_t)family,
		.seen = u->now,
		.largest_up = UINT16_MAX,
		.largest_down = UINT16_MAX,
		.first = -1,
		.last = -1,
	};
	if (loop_add(&f->loop, &s->source, fd, EPOLLIN, on_reply) < 0 ||
	    udp_table_insert(&u->table, &s->entry) < 0) {
		loop_del(&s->source);
		free(s);
		return NULL;
	}
	udp_idle_add(s);
	l->rule->udp_sessions++;
	l->rule->counts.accepted++;
	if (u->now + timeout_of(u, UDP_UNREPLIED) < u->timer_at)
		arm(u);
	return s;
}

struct udp_session *udp_session_of(struct forwarder *f, struct udp_listener *l,
				   const struct udp_key *key)
{
	struct udp_entry *entry = udp_table_find(&f->udp.table, key);
	const struct addr *target, *other;
	struct udp_session *s;
	int fd;

	if (entry)
		return (void *)((char *)entry - offsetof(struct udp_session, entry));
	if (!make_room_within_limits(f, l->rule))
		return NULL;
	target = family_target(f, &l->family_of.note,
			       IN6_IS_ADDR_V4MAPPED(&key->client) ? AF_INET : AF_INET6);
	fd = open_socket(f, target);
	other = family_other(f, target->family);
	if (fd < 0 && fd != -EAGAIN && other)
		fd = open_socket(f, target = other);
	if (fd < 0) {
		if (!reach_failed(f, target->family, fd) && log_allowed(&f->udp.starved_limit))
			log_warn("udp: no socket for a new client: %s", errno_text(fd));
		return NULL;
	}
	udp_brake_prepare(f);
	s = session_new(f, l, key, target->family, fd);
	if (!s)
		fd_close(fd);
	return s;
}

int udp_adopt(struct forwarder *f, struct udp_listener *l, struct udp_key *key,
	      sa_family_t family, bool is_replied, int fd)
{
	struct udp_session *s;

	key->listener = (uintptr_t)l;
	udp_tick(&f->udp);
	if (udp_table_find(&f->udp.table, key) || !make_room_within_limits(f, l->rule))
		return -EEXIST;
	udp_brake_prepare(f);
	s = session_new(f, l, key, family, fd);
	if (s)
		s->peer.is_settled = true;
	if (s && is_replied)
		touch(&f->udp, s, UDP_REPLIED);
	return s ? 0 : -ENOMEM;
}

unsigned int udp_room(struct forwarder *f)
{
	const struct addr *targets[] = { &f->target4, &f->target6 };
	unsigned int room = UDP_BATCH_MAX, n;
	bool starved = f->udp.starved_until > f->udp.now;

	if (!f->started)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (!targets[i]->family)
			continue;
		n = connector_has(&f->connector, targets[i], true);
		if (!n && !starved) {
			connector_fill(&f->connector, targets[i], true);
			/* a forwarder that is alone makes them at once */
			n = connector_has(&f->connector, targets[i], true);
		}
		room = n < room ? n : room;
	}
	return room || !starved ? room : UDP_BATCH_MAX;
}

void udp_pause_begins(struct forwarder *f)
{
	if (!f->started)
		return;
	timer_set(&f->udp.timer, PAUSE_MS);
	f->udp.timer_at = f->udp.now + PAUSE_MS;
}

void udp_refilled(struct forwarder *f, int error)
{
	struct udp *u = &f->udp;

	udp_tick(u);
	u->starved_until = error ? u->now + STARVED_MS : 0;
	if (error && log_allowed(&u->starved_limit))
		log_warn("udp: socket in the container: %s: new clients are not served until "
			 "there is one again", errno_text(error));
	if (f->started && !f->draining)
		udp_listeners_release(u, &u->paused);
}

void udp_forget(struct forwarder *f, const struct rule *rule, sa_family_t family)
{
	struct udp_session *s, *next;

	if (rule && !rule->udp_sessions)
		return;
	for (int i = 0; i < UDP_STATES; i++) {
		for (s = TAILQ_FIRST(&f->udp.pool.idle[i]); s; s = next) {
			next = TAILQ_NEXT(s, idle[UDP_OF_ALL]);
			if ((!rule || s->listener->rule == rule) &&
			    (!family || s->family == family))
				session_free(f, s);
		}
	}
}

int udp_init(struct forwarder *f)
{
	struct udp *u = &f->udp;
	uint64_t secret[2];
	int r;

	u->timer_at = UINT64_MAX;
	udp_icmp_init(&u->icmp);
	udp_pool_init(&u->pool);
	TAILQ_INIT(&u->listeners);
	TAILQ_INIT(&u->paused);
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	udp_table_init(&u->table, secret);
	r = udp_brake_init(f);
	return r < 0 ? r : timer_add(&f->loop, &u->timer, on_timer);
}

void udp_start(struct forwarder *f)
{
	if (TAILQ_EMPTY(&f->udp.listeners) && TAILQ_EMPTY(&f->udp.paused))
		return;
	udp_tick(&f->udp);
	udp_room(f);
	udp_listeners_release(&f->udp, &f->udp.paused);
}

void udp_done(struct forwarder *f)
{
	udp_table_done(&f->udp.table);
	timer_done(&f->udp.timer);
	udp_brake_done(f);
	udp_icmp_done(&f->udp.icmp);
}
