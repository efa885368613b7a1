/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some things can be done to a sender only by a walk over all sockets of its
 * network namespace, of the kernel's whole table of them: 1 ms. One walk does
 * them for everybody, and however often they are asked for, it takes a small
 * part of one CPU. A walker does it (datapath/walker.h), one for each place;
 * what it did not get done is asked for again.
 */
#include <errno.h>
#include <stddef.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/timer.h"
#include "forwarder/capture.h"
#include "forwarder/forwarder.h"

/* Not two walks within this time, nor within so many times what one takes. */
#define WALK_MS 10
#define WALK_SHARE 20

/* After a failure; it would take a CPU to insist. */
#define AGAIN_MS 100

/* How long a sender may wait that nobody knows to be waiting. */
#define LOOK_MS 1000

static struct forwarder *forwarder_of(struct capturer *c)
{
	return (void *)((char *)c - offsetof(struct forwarder, capturer));
}

static void later(struct walks *w, long ms)
{
	w->next = timer_now() + (uint64_t)ms;
	timer_set(&w->timer, ms);
}

void walk_want_walker(struct walks *w)
{
	if (!w->requested)
		w->requested = connector_walker(&forwarder_of(w->capturer)->connector) == 0;
	if (!w->requested)
		later(w, AGAIN_MS);
}

static void began(struct walks *w)
{
	w->wanted = false;
	w->busy = true;
}

static void go(struct walks *w)
{
	uint64_t now;

	if (!w->wanted || w->busy)
		return;
	now = timer_now();
	if (w->source.fd < 0)
		walk_want_walker(w); /* it was killed, or could not be started */
	else if (now < w->next)
		timer_set(&w->timer, (long)(w->next - now));
	else if (walker_ask(w->source.fd, WALKER_SOCKETS) < 0)
		later(w, AGAIN_MS);
	else
		began(w);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct walks *w = (void *)((char *)source - offsetof(struct walks, timer));

	if (!timer_expired(source))
		return;
	w->wanted |= w->look;
	w->look = false;
	go(w);
	rings_go(w);
}

static void lost(struct walks *w)
{
	struct capturer *c = w->capturer;

	loop_del(&w->source);
	w->busy = false;
	w->wanted = true;
	rings_lost(w);
	if (w == &c->here) {
		/* as for every other process of ours: nobody could wake a sender */
		log_error("the process that walks over the host's sockets is gone");
		loop_stop(&forwarder_of(c)->loop);
		return;
	}
	w->source.fd = fd_close(w->source.fd);
	later(w, AGAIN_MS);
}

static void walked(struct walks *w, int ms)
{
	long pause = WALK_MS;

	w->busy = false;
	if (ms < 0) {
		log_debug("a walk over all sockets has failed: %s", errno_text(ms));
		w->wanted = true;
		pause = AGAIN_MS;
	} else if ((long)ms * WALK_SHARE > pause) {
		pause = (long)ms * WALK_SHARE;
	}
	w->wanted |= w->look;
	w->look = false;
	w->next = timer_now() + (uint64_t)pause;
	go(w);
}

static void on_answer(struct loop_source *source, uint32_t events)
{
	struct walks *w = (void *)((char *)source - offsetof(struct walks, source));
	struct walker_answer answer;
	int r = walker_answer(source->fd, &answer);

	if (r == -EAGAIN)
		return;
	/* of the container's walker: COMMAND may be what speaks here */
	if (r < 0 || !(answer.what == WALKER_RINGS ? w->rings.is_busy : w->busy))
		lost(w);
	else if (answer.what == WALKER_RINGS)
		rings_answered(w, &answer);
	else
		walked(w, answer.result);
}

static int use_walker(struct walks *w, int fd)
{
	int r = loop_add(&forwarder_of(w->capturer)->loop, &w->source, fd, EPOLLIN, on_answer);

	if (r < 0)
		w->source.fd = -1;
	return r;
}

int walk_start(struct capturer *c)
{
	int r = walker_start(&c->walker, &c->tools);

	return r < 0 ? r : use_walker(&c->here, c->walker.fd);
}

void walk_start_there(struct capturer *c)
{
	if (!forwarder_of(c)->connector.make && c->there.source.fd < 0)
		walk_want_walker(&c->there);
}

void walk_adopt(struct capturer *c, int fd)
{
	struct walks *w = &c->there;

	w->requested = false;
	if (w->source.fd >= 0) {
		fd_close(fd);
		return;
	}
	if (fd < 0 || use_walker(w, fd) < 0) {
		fd_close(fd);
		later(w, AGAIN_MS);
		return;
	}
	go(w);
	rings_go(w);
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
	case SHUNT_ASK_MANY_SEGMENTS:
		return "any number of segments at a time from";
	case SHUNT_ASK_LOOK:
		return "look after";
	}
	return "";
}

/* Where the socket is that @what is about: the target is in the other one's namespace. */
static struct walks *place_of(const struct captive *captive, enum shunt_ask what)
{
	struct capturer *c = captive->capture->capturer;
	bool of_target = what == SHUNT_ASK_FEW_SEGMENTS || what == SHUNT_ASK_MANY_SEGMENTS;
	bool here = captive->is_client != of_target;

	/* alone, all of ours are here */
	return here || forwarder_of(c)->connector.make ? &c->here : &c->there;
}

static void note(struct captive *captive, enum shunt_ask what)
{
	struct capturer *c = captive->capture->capturer;

	if (shunt_ask(c->shunt, captive->side, what))
		log_debug("%s the %s's socket", text_of(what),
			  captive_name(captive));
}

void walk_ask(struct captive *captive, enum shunt_ask what)
{
	struct walks *w = place_of(captive, what);

	note(captive, what);
	/* also when it was noted before: the walk may have passed it by */
	w->wanted = true;
	go(w);
}

void walk_look(struct captive *captive)
{
	struct walks *w = place_of(captive, SHUNT_ASK_LOOK);

	note(captive, SHUNT_ASK_LOOK);
	if (w->look)
		return;
	w->look = true;
	if (!w->wanted)
		timer_set(&w->timer, LOOK_MS);
}

void walk_ask_bulk(struct captive *captive)
{
	if (captive->is_bulk)
		return;
	captive->is_bulk = true;
	if (tcp_is_loopback(captive->flow->to))
		walk_ask(captive, SHUNT_ASK_FEW_SEGMENTS);
}

void walk_end_bulk(struct captive *captive)
{
	if (captive->is_bulk && tcp_is_loopback(captive->flow->to))
		walk_ask(captive, SHUNT_ASK_MANY_SEGMENTS);
	captive->is_bulk = false;
}

static int walks_init(struct walks *w, struct capturer *c, struct loop *loop)
{
	int r;

	w->capturer = c;
	w->source.fd = -1;
	r = rings_init(w, loop);
	return r < 0 ? r : timer_add(loop, &w->timer, on_timer);
}

int walk_init(struct capturer *c, struct loop *loop)
{
	int r = walks_init(&c->here, c, loop);

	return r < 0 ? r : walks_init(&c->there, c, loop);
}

void walk_done(struct capturer *c)
{
	rings_done(&c->here);
	rings_done(&c->there);
	timer_done(&c->here.timer);
	timer_done(&c->there.timer);
	loop_del(&c->here.source);
	loop_del(&c->there.source);
	c->there.source.fd = fd_close(c->there.source.fd);
	child_end(&c->walker);
}
