/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a connection goes from splice to the kernel's relay (sockmap), what is
 * to be done for it there, and how it comes back at its end. A flow that the
 * kernel has is not pumped:
 *
 *   SPLICE   the flow is pumped. Once both have carried some messages and no
 *            bulk, and nothing that was read is unwritten, they go to the
 *            kernel together.
 *   KERNEL   no event comes for its bytes. What the target had no room for is
 *            passed to us, told by the map, and moved from here in order.
 *   SPLICE   again, for good, after FIN: all is drained, and the pump finds
 *            the end of file. A reset ends the pair once both are drained.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "datapath/sockmap.h"

struct flow;
struct forwarder;
struct pair;

/* Embedded in a pair. */
struct kernel_relay {
	struct sockmap_pair sockets;
	bool up, down;		       /* the kernel has it */
	bool tried;		       /* to hand it over */
	bool broken;		       /* reset: what is queued goes out first */
	unsigned int tries;	       /* to see it go */
	uint64_t up_start, down_start; /* `bytes` of the flow at the hand-over */
	bool waits;		       /* in kernel_relays.waiting */
	TAILQ_ENTRY(pair) waiting;
};

TAILQ_HEAD(kernel_relay_list, pair);

/* Embedded in the forwarder. */
struct kernel_relays {
	struct sockmap *map; /* NULL: not in use */
	struct pair **pairs; /* by slot */
	struct loop_source spills, timer;
	struct kernel_relay_list waiting;
	struct loop nothing; /* to wait without any event */
	unsigned int patience_ms;
	struct log_limit limit;
};

/* kernel_relay_setup - with @map, which stays the caller's. Returns 0 or -errno. */
int kernel_relay_setup(struct forwarder *f, struct sockmap *map, struct error *err);
void kernel_relay_done(struct forwarder *f);

/* kernel_relay_consider - after a pair was served: hand it over if it is time. */
void kernel_relay_consider(struct pair *pair);

/*
 * kernel_relay_pump - in the place of flow_pump() while the kernel has @flow.
 * Returns 1 while it has it, 0 when the flow is to be pumped, or -errno.
 */
int kernel_relay_pump(struct pair *pair, struct flow *flow);

/*
 * kernel_relay_breaks - the pair was reset. True while the kernel still has
 * bytes that came before that; the pair is broken up from here when they went.
 */
bool kernel_relay_breaks(struct pair *pair);

/*
 * kernel_relay_settle - at the end of a pair: have @flow drained as far as that
 * goes at once, or (@wait) in a moment. False when it is to be pumped.
 */
bool kernel_relay_settle(struct pair *pair, struct flow *flow, bool wait);

/*
 * kernel_relay_retry - run the pair again in a moment: no event will tell.
 * Returns 0, or -EFAULT without sockmap: it should not have been needed.
 */
int kernel_relay_retry(struct pair *pair);

/* kernel_relay_redirected - bytes of a direction that the kernel has put into the target. */
uint64_t kernel_relay_redirected(const struct pair *pair, bool up);

/* kernel_relay_close - after the pair's sockets were closed. */
void kernel_relay_close(struct pair *pair);
