/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some things can be done to a sender only by a walk over all sockets of its
 * network namespace, of the kernel's whole table of them: 1 ms. One walk does
 * them for everybody, and however often they are asked for, it takes a small
 * part of one CPU.
 */
#include <stddef.h>
#include <time.h>

#include "base/log.h"
#include "base/timer.h"
#include "forwarder/capture.h"
#include "forwarder/forwarder.h"

/* Not two walks within this time, nor within so many times what one takes. */
#define WALK_MS 10
#define WALK_SHARE 20

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void walk_done(struct capturer *c, int ms)
{
	long pause = ms > 0 ? (long)ms * WALK_SHARE : 0;

	c->walk_pause = pause > WALK_MS ? pause : WALK_MS;
	c->walk_next = now_ms() + (uint64_t)c->walk_pause;
}

static void walk(struct capturer *c)
{
	struct forwarder *f = (void *)((char *)c - offsetof(struct forwarder, capturer));

	walk_done(c, c->walk_here ? shunt_walk(&c->tools) : 0);
	if (c->walk_there)
		connector_walk(&f->connector);
	c->walk_here = c->walk_there = false;
}

static void on_walk_timer(struct loop_source *source, uint32_t events)
{
	if (timer_expired(source))
		walk((void *)((char *)source - offsetof(struct capturer, walk_timer)));
}

static const char *text_of(enum shunt_ask what)
{
	switch (what) {
	case SHUNT_ASK_EDGE:
		return "wake";
	case SHUNT_ASK_SHRINK:
		return "shorten the queue of";
	case SHUNT_ASK_GROW:
		return "no longer shorten the queue of";
	case SHUNT_ASK_FEW_SEGMENTS:
		return "few segments at a time from";
	}
	return "";
}

void walk_ask(struct captive *captive, enum shunt_ask what)
{
	struct capturer *c = captive->capture->capturer;
	bool armed = c->walk_here || c->walk_there;

	if (!shunt_ask(c->shunt, captive->side, what))
		return;
	log_debug("%s the %s's socket", text_of(what),
		  captive->is_client ? "client" : "container");
	/* the target is in the other one's network namespace */
	if (captive->is_client != (what == SHUNT_ASK_FEW_SEGMENTS))
		c->walk_here = true;
	else
		c->walk_there = true;
	if (armed)
		return;
	if (now_ms() >= c->walk_next)
		walk(c);
	else
		timer_set(&c->walk_timer, c->walk_pause);
}

void walk_ask_bulk(struct captive *captive)
{
	if (captive->is_bulk)
		return;
	captive->is_bulk = true;
	walk_ask(captive, SHUNT_ASK_FEW_SEGMENTS);
}

int walk_init(struct capturer *c, struct loop *loop)
{
	return timer_add(loop, &c->walk_timer, on_walk_timer);
}
