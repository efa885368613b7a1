/* SPDX-License-Identifier: Apache-2.0 */
/* What a captured sender needs as it goes on, and whether it stays captured. */
#include "base/log.h"
#include "base/tcp.h"
#include "datapath/splice.h"
#include "forwarder/capture.h"

/* Its own queue may be as long as it was. */
static void lengthen(struct captive *captive)
{
	if (captive->is_short) {
		tcp_short_queue(captive->flow->from, false);
		walk_ask(captive, SHUNT_ASK_GROW);
	}
	captive->flow->acks = captive->is_short = false;
	captive->shorten_at = UINT64_MAX;
}

/* A captured sender whose queue never drains, so that redirection never starts. */
static void shorten(struct captive *captive)
{
	captive->shorten_at = UINT64_MAX;
	captive->is_short = true;
	captive->flow->acks = true;
	tcp_short_queue(captive->flow->from, true);
	walk_ask(captive, SHUNT_ASK_SHRINK);
}

void capture_release(struct captive *captive, const char *why)
{
	/* the answer to its capture, which is still to come, begins the judgement anew */
	if (captive->is_awaited)
		return;
	log_debug("released: the %s's socket: %s", captive_name(captive), why);
	watch_stop(captive);
	lengthen(captive);
	walk_end_bulk(captive);
	captive_evict(captive);
	captive->is_released = true;
	captive->is_suspended = captive->payoff.is_chance;
	/* half of its bytes at most go where they do not pay, less and less often */
	captive->next_bytes = 2 * captive->flow->bytes;
	captive->next_reads = UINT32_MAX;
}

void captive_tend(struct captive *captive)
{
	struct shunt *s = captive->capture->capturer->shunt;
	const char *why;

	if (!shunt_is_captured(s, captive->side))
		return;
	/* its bytes take the relay leg already */
	if (shunt_wants_eviction(s, captive->side)) {
		capture_release(captive, "it blocks now, or uses kTLS, MSG_ZEROCOPY or SO_TIMESTAMPING");
		return;
	}
	watch_start(captive);
	why = payoff_relayed(&captive->payoff, captive->flow->bytes,
			     shunt_redirected(s, captive->side),
			     shunt_writes_long(s, captive->side),
			     shunt_is_corked(s, captive->side));
	/*
	 * A sender that writes megabytes at once may spend time on all that is left
	 * with each call, as redis-benchmark does, which copies it: with a short queue
	 * that was 200 calls where 10 do. And a write that does not fit is not shown to
	 * the verdict when it goes on, so it would not get into step anyway.
	 */
	if (why)
		capture_release(captive, why);
	else if (shunt_writes_long(s, captive->side))
		lengthen(captive);
	else if (captive->flow->bytes >= captive->shorten_at)
		shorten(captive);
}
