/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends over io_uring must not be captured (bpf/shunt_rings.bpf.c). Before
 * a capture, the walker of the sender's network namespace looks at the rings
 * of all tasks. The look begins after the sender has sent what made it
 * worth a capture, so if it sent that over a ring, the ring shows it. One look
 * is for all who wait for one, and however many do, it takes a small part of
 * one CPU.
 */
#include <inttypes.h>
#include <stddef.h>

#include "base/error.h"
#include "base/log.h"
#include "base/timer.h"
#include "forwarder/capture.h"

/* From the end of one look to the next, at least, and so many times what one takes. */
#define PAUSE_MS 2
#define PAUSE_SHARE 20

/* After a failure. */
#define AGAIN_MS 100

/* A look takes milliseconds. What comes before it in the walker is a walk, which may hang. */
#define HANGS_MS 10000

static const char *name_of(const struct walks *w)
{
	return w == &w->capturer->here ? "host" : "container";
}

static void begin(struct walks *w)
{
	struct rings *r = &w->rings;

	r->is_wanted = false;
	r->is_busy = true;
	r->begun++;
	timer_set(&r->timer, HANGS_MS);
}

void rings_go(struct walks *w)
{
	struct rings *r = &w->rings;
	uint64_t now;

	if (!r->is_wanted || r->is_busy)
		return;
	now = timer_now();
	if (w->source.fd < 0)
		walk_want_walker(w); /* this is called when it is there */
	else if (now < r->next)
		timer_set(&r->timer, (long)(r->next - now));
	else if (walker_ask(w->source.fd, WALKER_RINGS) < 0)
		timer_set(&r->timer, AGAIN_MS);
	else
		begin(w);
}

static void warn_hangs(struct walks *w)
{
	if (w->rings.is_warned)
		return;
	w->rings.is_warned = true;
	log_warn("senders of the %s stay on splice: the process that walks over its sockets "
		 "does not answer for %d seconds: somebody holds a socket's lock",
		 name_of(w), HANGS_MS / 1000);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct rings *r = (void *)((char *)source - offsetof(struct rings, timer));
	struct walks *w = (void *)((char *)r - offsetof(struct walks, rings));

	if (!timer_expired(source))
		return;
	if (r->is_busy)
		warn_hangs(w);
	else
		rings_go(w);
}

/* Somebody who waited before the last look began; NULL: nobody did. */
static struct captive *find_served(const struct rings *r)
{
	struct captive *captive;

	LIST_FOREACH(captive, &r->waiting, waiting)
		if (captive->rings_begun != r->begun)
			return captive;
	return NULL;
}

static void serve(struct rings *r, uint64_t users)
{
	struct captive *captive;

	while ((captive = find_served(r))) {
		rings_leave(captive);
		capture_go(captive, users);
	}
}

void rings_answered(struct walks *w, const struct walker_answer *answer)
{
	struct rings *r = &w->rings;
	uint64_t pause = AGAIN_MS;

	r->is_busy = false;
	timer_set(&r->timer, 0);
	if (answer->result < 0) {
		log_debug("the rings of the %s cannot be looked at: %s", name_of(w),
			  errno_text(answer->result));
		r->is_wanted = true;
	} else {
		log_debug("looked at the rings of the %s: %d µs, users %016" PRIx64, name_of(w),
			  answer->result, answer->users);
		pause = PAUSE_MS + (uint64_t)answer->result * PAUSE_SHARE / 1000;
		serve(r, answer->users);
	}
	r->next = timer_now() + pause;
	rings_go(w);
}

void rings_lost(struct walks *w)
{
	w->rings.is_busy = false;
	w->rings.is_wanted = !LIST_EMPTY(&w->rings.waiting);
}

void rings_ask(struct captive *captive)
{
	struct capturer *c = captive->capture->capturer;
	struct walks *w = captive->is_client ? &c->here : &c->there;

	captive->is_waiting = true;
	captive->rings_begun = w->rings.begun;
	LIST_INSERT_HEAD(&w->rings.waiting, captive, waiting);
	w->rings.is_wanted = true;
	rings_go(w);
}

void rings_leave(struct captive *captive)
{
	if (captive->is_waiting)
		LIST_REMOVE(captive, waiting);
	captive->is_waiting = false;
}

int rings_init(struct walks *w, struct loop *loop)
{
	LIST_INIT(&w->rings.waiting);
	return timer_add(loop, &w->rings.timer, on_timer);
}

void rings_done(struct walks *w)
{
	timer_done(&w->rings.timer);
}
