/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/payoff.h"

#include <stddef.h>

/* A share is judged by this many bytes. */
#define WINDOW (4 << 20)
#define LARGE_WINDOW (32 << 20)

/* Relayed in a row from a sender that corks. */
#define CORKED_BYTES (256 << 10)

/* Less than one byte in so many: what is redirected does not make up for the relayed. */
#define SMALL_SHARE 16

/* Messages in a tick of 2 ms: 25 000 a second; fewer do not keep the relay busy. */
#define FLOOD_MESSAGES 50

/*
 * Each message becomes a segment of its own in the target, and wakes the receiver; the relay
 * gathers them. iperf3 against splice, one stream and eight: 8 KiB 0.8 and 0.8, 16 KiB 0.95
 * and 1.25, 48 KiB 1.2 and 1.6. nginx as a proxy sends 9 KiB at a time: 0.6.
 */
#define FLOOD_SIZE (12 << 10)
#define FLOOD_TICKS 8

/* As many messages to one answer. */
#define FLOOD_ANSWERS 8

/* In a row, each of some milliseconds. One alone may be a tick between two writes. */
#define STALLS_MAX 3

void payoff_begin(struct payoff *p, uint64_t relayed, uint64_t redirected)
{
	p->relayed = p->row_began = relayed;
	p->redirected = p->last_redirected = redirected;
	p->is_chance = false;
}

const char *payoff_tick(struct payoff *p, const struct payoff_tick *tick)
{
	if (tick->queue == QUEUE_SENT)
		p->stalls = 0;
	if (tick->queue == QUEUE_HELD && ++p->stalls >= STALLS_MAX)
		return "it holds bytes back, and nothing reports when they may go";
	if (tick->messages < FLOOD_MESSAGES)
		return NULL;
	if (tick->bytes > (uint64_t)tick->messages * FLOOD_SIZE ||
	    tick->messages / FLOOD_ANSWERS < tick->answers)
		p->floods = 0;
	else if (++p->floods >= FLOOD_TICKS)
		return "it sends a flood of small messages";
	return NULL;
}

/* Bytes that were relayed since one was redirected. */
static uint64_t in_a_row(struct payoff *p, uint64_t relayed, uint64_t redirected)
{
	if (redirected != p->last_redirected)
		p->row_began = relayed;
	p->last_redirected = redirected;
	return relayed - p->row_began;
}

const char *payoff_relayed(struct payoff *p, uint64_t relayed, uint64_t redirected,
			   bool writes_long, bool is_corked)
{
	uint64_t by_relay = relayed - p->relayed, direct = redirected - p->redirected;

	p->is_chance = false;
	if (in_a_row(p, relayed, redirected) >= CORKED_BYTES && is_corked)
		return "it corks, and so does not get into step";
	if (by_relay + direct < (writes_long ? WINDOW : LARGE_WINDOW))
		return NULL;
	p->is_chance = !writes_long;
	if (writes_long ? direct < by_relay : direct < by_relay / SMALL_SHARE)
		return writes_long ? "it writes much at once, and most bytes are relayed" :
				     "nearly all of its bytes are relayed";
	p->is_chance = false;
	p->relayed = relayed;
	p->redirected = redirected;
	return NULL;
}
