/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/family.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "forwarder/attempt.h"
#include "forwarder/forwarder.h"

/* RFC 8305, section 8, recommends 250 ms. */
#define ATTEMPT_MS 250

/* When there was no socket for a second attempt. */
#define RETRY_MS 10

static sa_family_t other_than(sa_family_t family)
{
	return family == AF_INET6 ? AF_INET : AF_INET6;
}

/* NULL: the listener is closed, as all of its rule are at once, while its connections go on. */
static struct family_note *note_of(const struct pair *pair)
{
	return LIST_EMPTY(&pair->rule->listeners) ? NULL : &pair->listener->note;
}

static void leave_queue(struct pair *pair)
{
	if (pair->families.queue)
		TAILQ_REMOVE(pair->families.queue, pair, families.entry);
	pair->families.queue = NULL;
}

static void enter_queue(struct pair *pair, struct family_queue *queue)
{
	leave_queue(pair);
	TAILQ_INSERT_TAIL(queue, pair, families.entry);
	pair->families.queue = queue;
}

static void end_second(struct pair *pair)
{
	if (!pair->families.second)
		return;
	attempt_free(pair->families.second);
	pair->families.second = NULL;
	pair->forwarder->families.attempts--;
}

static void arm(struct families *all, long ms)
{
	if (!all->is_timed)
		timer_set(&all->timer, ms);
	all->is_timed = true;
}

void family_end(struct pair *pair)
{
	leave_queue(pair);
	end_second(pair);
}

void family_connecting(struct pair *pair)
{
	struct families *all = &pair->forwarder->families;

	if (!family_other(pair->forwarder, pair->family))
		return;
	enter_queue(pair, &all->connecting);
	loop_ready(&all->turn);
}

void family_connected(struct pair *pair)
{
	struct family_state *s = &pair->families;
	struct family_note *note = s->failed ? note_of(pair) : NULL;

	family_end(pair);
	if (note && s->failed != pair->family)
		family_note_bad(note, s->failed, s->was_silent, pair->port);
}

/* What an address of another family may do better; else what is short here is not more there. */
static bool is_of_address(int r)
{
	return r != -ENOMEM && r != -ENOBUFS && r != -ENOSPC && r != -EAGAIN && r != -EMFILE;
}

/* It would be waited for in vain until the kernel gives up. */
static bool is_known_silent(const struct pair *pair, sa_family_t family)
{
	const struct family_note *note = note_of(pair);

	return note && note->bad == family && note->is_silent && timer_now() < note->until;
}

static void remember_failure(struct pair *pair, sa_family_t family, bool was_silent, int r)
{
	/* for want of a free port: others may be free by the time of the next one */
	if (r == -EADDRNOTAVAIL)
		return;
	pair->families.failed = family;
	pair->families.was_silent = was_silent;
}

/* Goes on with @fd, a socket of the other family. Returns 0 or -errno. */
static int connect_to_other(struct pair *pair, int fd)
{
	leave_queue(pair);
	pair->families.is_final = true;
	pair->family = other_than(pair->family);
	return pair_reconnect(pair, fd);
}

/* The second attempt is the only one from now on: it is connected, or may still be. */
static int take_second(struct pair *pair)
{
	struct attempt *a = pair->families.second;
	int fd = a->source.fd;

	loop_del(&a->source);
	a->source.fd = -1;
	end_second(pair);
	leave_queue(pair);
	pair->families.is_final = true;
	pair->family = other_than(pair->family);
	return pair_resume(pair, fd);
}

bool family_try_other(struct pair *pair, int r)
{
	struct forwarder *f = pair->forwarder;
	const struct addr *other = family_other(f, pair->family);
	int fd;

	if (pair->families.second) {
		remember_failure(pair, pair->family, false, r);
		return take_second(pair) >= 0;
	}
	if (pair->families.is_final || !other || f->draining || !is_of_address(r) ||
	    is_known_silent(pair, other->family))
		return false;
	log_debug("connect: %s: the other family is tried", errno_text(r));
	remember_failure(pair, pair->family, false, r);
	fd = connector_take(&f->connector, other, false);
	if (fd >= 0)
		return connect_to_other(pair, fd) >= 0;
	/* it keeps the failed socket so long, of which nothing more is to be heard */
	loop_del(&pair->container.source);
	enter_queue(pair, &f->families.waiting);
	connector_fill(&f->connector, other, false);
	arm(&f->families, ATTEMPT_MS);
	return true;
}

/* Returns 0: it goes on, or waits again; or -errno. */
static int serve(struct pair *pair, sa_family_t family, int error)
{
	struct forwarder *f = pair->forwarder;
	const struct addr *other = family_other(f, pair->family);
	int fd = -EAGAIN;

	if (!other)
		return -EADDRNOTAVAIL;
	if (other->family == family && error)
		return error;
	if (other->family == family)
		fd = connector_take(&f->connector, other, false);
	if (fd >= 0)
		return connect_to_other(pair, fd);
	enter_queue(pair, &f->families.waiting);
	return 0;
}

void families_refilled(struct forwarder *f, sa_family_t family, int error)
{
	struct family_queue *queue = &f->families.waiting;
	struct pair *pair, *last = TAILQ_LAST(queue, family_queue);
	int r;

	/* those that wait again are behind `last` */
	for (bool is_last = !last; !is_last;) {
		pair = TAILQ_FIRST(queue);
		is_last = pair == last;
		r = serve(pair, family, error);
		if (r < 0)
			pair_refused(pair, r);
	}
}

static void on_second(struct loop_source *source, uint32_t events)
{
	struct attempt *a = (struct attempt *)source;
	struct pair *pair = a->pair;
	socklen_t len = sizeof(int);
	int error = 0, r;

	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		log_debug("connect by the other family: %s", errno_text(error));
		pair->families.is_final = true;
		end_second(pair);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	remember_failure(pair, pair->family, true, 0);
	r = take_second(pair);
	if (r < 0)
		pair_refused(pair, r);
}

/*
 * The first attempt goes on: it may only be slow. Returns false when there is no socket for the
 * second one now.
 */
static bool race(struct pair *pair)
{
	struct forwarder *f = pair->forwarder;
	const struct addr *other = family_other(f, pair->family);
	int fd;

	if (!other || is_known_silent(pair, other->family) ||
	    forwarder_fds_in_use(f) + 1 > forwarder_fds_with(f, 0)) {
		leave_queue(pair);
		return true;
	}
	fd = connector_take(&f->connector, other, false);
	if (fd < 0) {
		connector_fill(&f->connector, other, false);
		return false;
	}
	leave_queue(pair);
	pair->families.second = attempt_new(pair, other, fd, on_second);
	f->families.attempts += pair->families.second != NULL;
	return true;
}

/* When all that were answered at once are off the list, or will be in this turn of the loop. */
static void on_turn(struct loop_source *source, uint32_t events)
{
	struct families *all = (void *)((char *)source - offsetof(struct families, turn));
	uint64_t now = 0;
	struct pair *pair;

	TAILQ_FOREACH_REVERSE(pair, &all->connecting, family_queue, families.entry) {
		if (pair->families.since)
			break;
		if (pair->container.source.is_ready)
			continue;
		now = now ? now : timer_now();
		pair->families.since = now;
	}
	if (now)
		arm(all, ATTEMPT_MS);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct families *all = (void *)((char *)source - offsetof(struct families, timer));
	struct forwarder *f = (void *)((char *)all - offsetof(struct forwarder, families));
	uint64_t now = timer_now(), left = ATTEMPT_MS;
	struct pair *pair;

	if (!timer_expired(source))
		return;
	all->is_timed = false;
	while ((pair = TAILQ_FIRST(&all->connecting)) && pair->families.since &&
	       pair->families.since + ATTEMPT_MS <= now && race(pair))
		;
	/* a request for sockets may have been lost */
	if (!TAILQ_EMPTY(&all->waiting)) {
		if (f->target4.family)
			connector_fill(&f->connector, &f->target4, false);
		if (f->target6.family)
			connector_fill(&f->connector, &f->target6, false);
		families_refilled(f, AF_INET, 0);
		families_refilled(f, AF_INET6, 0);
	}
	if (pair && pair->families.since && pair->families.since + ATTEMPT_MS > now)
		left = pair->families.since + ATTEMPT_MS - now;
	else if (pair)
		left = RETRY_MS;
	else if (TAILQ_EMPTY(&all->waiting))
		return;
	arm(all, (long)left);
}

void families_forget(struct forwarder *f, sa_family_t family)
{
	struct udp_listener *udp;
	struct listener *l;
	struct rule *rule;
	struct pair *pair;

	TAILQ_FOREACH(rule, &f->rules.list, entry) {
		LIST_FOREACH(l, &rule->listeners, of_rule)
			l->note = (struct family_note){ 0 };
		LIST_FOREACH(udp, &rule->udp_listeners, of_rule) {
			udp->family_of.note = (struct family_note){ 0 };
			udp->family_of.answered = 0;
		}
		LIST_FOREACH(pair, &rule->pairs, entry)
			if (pair->families.second && pair->families.second->family == family)
				end_second(pair);
	}
}

int families_init(struct forwarder *f)
{
	struct families *all = &f->families;

	TAILQ_INIT(&all->connecting);
	TAILQ_INIT(&all->waiting);
	all->turn = (struct loop_source){ .fd = -1, .loop = &f->loop, .fn = on_turn };
	return timer_add(&f->loop, &all->timer, on_timer);
}

void families_done(struct forwarder *f)
{
	loop_forget(&f->families.turn);
	timer_done(&f->families.timer);
}
