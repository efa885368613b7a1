/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where FIONREAD is wrong on a captured socket with unread bytes, no byte may
 * reach one. All bytes for a sender pass through this process unless the other
 * sender is captured as well. So there only one of them is, while nothing is
 * unread or on its way to it, and it is made plain TCP before something is.
 */
#include "base/tcp.h"
#include "base/timer.h"
#include "datapath/splice.h"
#include "forwarder/capture.h"
#include "forwarder/forwarder.h"

/*
 * A system call that a sender had begun keeps it captured to its end, some
 * microseconds, or longer when its CPU does something else meanwhile. Who
 * holds one up on purpose (userfaultfd(2)) gets its bytes all the same.
 */
#define LEAVES_WITHIN_MS 20

bool is_one_way(const struct pair *pair)
{
	return pair->rule->use.one_way;
}

uint64_t *burst_of(struct pair *pair, const struct flow *flow)
{
	return flow == &pair->up ? &pair->up_burst : &pair->down_burst;
}

struct captive *captive_of(const struct pair *pair, const struct flow *flow)
{
	if (!pair->capture)
		return NULL;
	return flow == &pair->up ? &pair->capture->up : &pair->capture->down;
}

static bool is_taken(const struct captive *captive)
{
	return captive && (captive->is_waiting || captive->is_awaited ||
			   shunt_is_captured(captive->capture->capturer->shunt, captive->side));
}

/* A write that was being redirected when its sender was evicted may take its time to arrive. */
static bool has_arrived(const struct captive *captive)
{
	uint32_t begun;

	if (!captive || !captive->is_prepared)
		return true;
	begun = shunt_begun(captive->capture->capturer->shunt, captive->side);
	return (uint32_t)(tcp_written(captive->flow->to) - captive->base - captive->flow->bytes) ==
	       begun;
}

bool sender_is_drained(struct pair *pair, const struct flow *flow)
{
	bool up = flow == &pair->up;
	const struct flow *back = up ? &pair->down : &pair->up;
	bool back_ended = up ? pair->down_ended : pair->up_ended;
	const struct captive *other = captive_of(pair, back);

	/* in this order: once all has arrived, nothing is written that could be unacknowledged */
	return (back_ended || !back->readable) && flow_is_empty(back) && !is_taken(other) &&
	       has_arrived(other) && tcp_unacknowledged(flow->from) == 0;
}

void captive_evict(struct captive *captive)
{
	struct shunt *s = captive->capture->capturer->shunt;

	/* of one that only waits for its capture, the slot may still name the socket before it */
	if (is_one_way(captive->capture->pair) && shunt_is_captured(s, captive->side))
		captive->leaves_by = timer_now() + LEAVES_WITHIN_MS;
	shunt_evict(s, captive->side);
	flow_share_target(captive->flow, false);
}

static bool is_leaving(struct captive *captive)
{
	if (!captive->leaves_by)
		return false;
	if (!shunt_has_left(captive->capture->capturer->shunt, captive->side) &&
	    timer_now() < captive->leaves_by)
		return true;
	captive->leaves_by = 0;
	return false;
}

static void suspend(struct captive *captive)
{
	rings_leave(captive);
	watch_stop(captive);
	captive_evict(captive);
	captive->is_suspended = true;
}

bool capture_may_relay(struct pair *pair, struct flow *flow)
{
	const struct flow *other = flow == &pair->up ? &pair->down : &pair->up;
	struct captive *captive;

	if (!is_one_way(pair) || (!flow->readable && flow_is_empty(flow)))
		return true;
	/* the other direction is no longer the only one */
	*burst_of(pair, other) = other->bytes;
	captive = captive_of(pair, other);
	if (captive && captive->is_awaited)
		return false;
	if (is_taken(captive))
		suspend(captive);
	if (captive && is_leaving(captive)) {
		loop_ready(&pair->client.source);
		return false;
	}
	return true;
}
