/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the shunt pay for a sender? Four kinds of senders are better off on
 * splice, and none of them can be recognized before it is captured:
 *
 *  - one that writes more at once than the target has room for: the kernel
 *    shows the verdict the first half megabyte alone, so most bytes are
 *    relayed, and each is copied once more on its way;
 *  - one that has corked its socket (TCP_CORK) and was out of step once: the
 *    kernel keeps up to a segment in its queue, which is never empty again;
 *  - one that floods small messages in one direction: each becomes a segment of
 *    its own, where the relay would gather them;
 *  - one that holds bytes back (MSG_MORE) and ends that by a call that the
 *    shunt does not see (TCP_NODELAY, the end of a file): the target flushes
 *    them milliseconds late.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of one sender. Zeroed: just captured. */
struct payoff {
	uint64_t relayed, redirected; /* when the current window began */
	uint64_t last_redirected, row_began;
	uint8_t floods, stalls;
	bool is_chance; /* of what was returned last: with luck it pays next time */
};

/* What the tick found in the target's queue. */
enum payoff_queue {
	QUEUE_BUSY, /* bytes that its window or its peer does not let go; or it was not looked at */
	QUEUE_SENT, /* nothing */
	QUEUE_HELD, /* bytes that were held back, and went when they were flushed */
};

/* What happened to a sender since the last tick. */
struct payoff_tick {
	uint64_t bytes;	   /* redirected */
	uint32_t messages; /* redirected */
	uint32_t answers;  /* messages of the other direction, however they went */
	enum payoff_queue queue;
};

/* payoff_begin - the sender is captured, again perhaps; the numbers are those of payoff_relayed(). */
void payoff_begin(struct payoff *p, uint64_t relayed, uint64_t redirected);

/*
 * payoff_tick - after each tick in which bytes were redirected, and the first
 * one after them.
 * payoff_relayed - after bytes were relayed: @relayed and @redirected count
 * from the beginning of the connection.
 * Both return why the sender should go back to splice, or NULL. Of bulk that never
 * got into step @p->is_chance is set: with several senders and few CPUs it depends on
 * who runs when, and the same sender may get into step at once when it is captured again.
 */
const char *payoff_tick(struct payoff *p, const struct payoff_tick *tick);
const char *payoff_relayed(struct payoff *p, uint64_t relayed, uint64_t redirected,
			   bool writes_long, bool is_corked);
