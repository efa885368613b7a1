/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody is told of a redirected message, and one with MSG_MORE stays in the
 * target until more comes. What ends that early on plain TCP flushes the
 * sender's own socket: TCP_NODELAY, or the end of a file that sendfile(2) was
 * asked for more of (tcp_splice_eof). So while bytes are redirected, the
 * target is flushed every few milliseconds; of who sends in bulk only when it
 * pauses, since more follows, and whoever sends holds the target's lock at
 * times. Whoever was quiet is no longer watched, and its next message comes
 * over the relay leg, which says so.
 */
#include <stddef.h>

#include "base/tcp.h"
#include "base/timer.h"
#include "datapath/splice.h"
#include "forwarder/capture.h"

#define TICK_MS 2
#define QUIET_TICKS 100

/* In one tick from who sends in bulk. */
#define BULK_TICK 32768

/* A tick costs about 1 µs for each that is watched: 2 % of a CPU at most. */
#define WATCHED_PER_MS 50

static void set_timer(struct capturer *c)
{
	timer_set(&c->tick_timer, TICK_MS + (long)(c->n_watched / WATCHED_PER_MS));
}

void watch_start(struct captive *captive)
{
	struct capturer *c = captive->capture->capturer;

	if (captive->is_watched)
		return;
	captive->is_watched = captive->was_watched = true;
	captive->quiet = 0;
	if (LIST_EMPTY(&c->watched))
		set_timer(c);
	LIST_INSERT_HEAD(&c->watched, captive, watching);
	c->n_watched++;
	shunt_watch(c->shunt, captive->side, true);
}

void watch_stop(struct captive *captive)
{
	struct capturer *c = captive->capture->capturer;

	if (!captive->is_watched)
		return;
	shunt_watch(c->shunt, captive->side, false);
	captive->is_watched = false;
	LIST_REMOVE(captive, watching);
	c->n_watched--;
}

/* Writes of the other direction, however they went: what answers this sender. */
static uint32_t answers_to(const struct captive *captive)
{
	const struct capture *capture = captive->capture;
	const struct captive *other = captive->is_client ? &capture->down : &capture->up;

	return shunt_messages(capture->capturer->shunt, other->side) + other->flow->reads;
}

/*
 * MSG_MORE's bytes go out when nothing else will send them. Bulk is flushed
 * only once it has stopped: the sender holds the target's lock at times.
 */
static enum payoff_queue flush(struct captive *captive, bool is_quiet)
{
	int fd = captive->flow->to;

	if (tcp_unsent(fd) == 0)
		return QUEUE_SENT;
	if (captive->is_bulk && !is_quiet && tcp_unsent(fd) < tcp_unacknowledged(fd))
		return QUEUE_BUSY;
	/* a message on its way is in the queue for some microseconds, under the lock */
	tcp_settle(fd);
	if (tcp_unsent(fd) == 0)
		return QUEUE_SENT;
	tcp_flush(fd);
	return tcp_unsent(fd) == 0 ? QUEUE_HELD : QUEUE_BUSY;
}

/* Returns why the sender should be given back, or NULL. */
static const char *weigh(struct captive *captive, uint64_t redirected,
			 enum payoff_queue queue)
{
	struct shunt *s = captive->capture->capturer->shunt;
	uint32_t messages = shunt_messages(s, captive->side), answers = answers_to(captive);
	struct payoff_tick now = {
		.bytes = redirected - captive->seen,
		.messages = messages - captive->seen_messages,
		.answers = answers - captive->seen_answers,
		.queue = queue,
	};

	captive->seen = redirected;
	captive->seen_messages = messages;
	captive->seen_answers = answers;
	return payoff_tick(&captive->payoff, &now);
}

static void tick(struct capturer *c, struct captive *captive)
{
	uint64_t redirected = shunt_redirected(c->shunt, captive->side);
	bool moved = redirected != captive->seen;
	enum payoff_queue queue = QUEUE_BUSY;
	const char *why;

	if (redirected - captive->seen >= BULK_TICK)
		walk_ask_bulk(captive);
	captive->quiet = moved ? 0 : captive->quiet + 1;
	/* when it is quiet for the first time, the last was counted before it was in the queue */
	if (captive->quiet <= 1)
		queue = flush(captive, captive->quiet == 1);
	if (captive->quiet <= 1 && (why = weigh(captive, redirected, queue))) {
		capture_release(captive, why);
		return;
	}
	if (moved)
		return;
	if (shunt_is_asked(c->shunt, captive->side, SHUNT_ASK_EDGE))
		walk_ask(captive, SHUNT_ASK_EDGE);
	if (captive->quiet < QUIET_TICKS)
		return;
	walk_look(captive);
	watch_stop(captive);
}

static void on_tick(struct loop_source *source, uint32_t events)
{
	struct capturer *c =
		(void *)((char *)source - offsetof(struct capturer, tick_timer));
	struct captive *captive, *next;

	if (!timer_expired(source))
		return;
	for (captive = LIST_FIRST(&c->watched); captive; captive = next) {
		next = LIST_NEXT(captive, watching);
		tick(c, captive);
	}
	if (!LIST_EMPTY(&c->watched))
		set_timer(c);
}

int watch_init(struct capturer *c, struct loop *loop)
{
	LIST_INIT(&c->watched);
	return timer_add(loop, &c->tick_timer, on_tick);
}
