/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/tcp.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

/* What a read brings on average from a sender of bulk. */
#define BULK_READ 8192

/* A direction that has carried this much is worth a capture: it costs some 10 µs. */
#define BUSY_BYTES (64 * 1024)
#define BUSY_READS 32

/*
 * The same where one direction at a time is the rule, since the last byte of the other one:
 * the next one ends the capture, so that answers of 100 KB were a quarter slower with it.
 */
#define BURST_BYTES (1 << 20)

/*
 * Room in a target, without a write of ours that had waited for it: a
 * redirected one has failed (tcp_sendmsg set SOCK_NOSPACE), and the sender
 * got EAGAIN although its own socket is writable. EPOLLOUT is watched apart,
 * since an edge on another event would report it as well. Before it was
 * redirected for the first time nothing can have failed.
 */
static void on_room(struct loop_source *source, uint32_t events)
{
	struct captive *captive =
		(void *)((char *)source - offsetof(struct captive, room));

	if (captive->was_watched && !captive->is_released && captive->flow->writable &&
	    (events & EPOLLOUT) &&
	    !(events & (EPOLLERR | EPOLLHUP)))
		walk_ask(captive, SHUNT_ASK_EDGE);
}

static void captive_init(struct captive *captive, struct capture *capture,
			 struct flow *flow, const struct shunt_side *side)
{
	captive->capture = capture;
	captive->flow = flow;
	captive->side = side;
	captive->is_client = flow == &capture->pair->up;
	captive->shorten_at = UINT64_MAX;
	if (is_one_way(capture->pair))
		shunt_only_drained(capture->capturer->shunt, side);
}

static struct capture *capture_new(struct pair *pair)
{
	struct capturer *c = &pair->forwarder->capturer;
	struct capture *capture = calloc(1, sizeof(*capture));
	int r = -ENOMEM;

	if (capture)
		r = shunt_pair_open(c->shunt, &capture->shunt, pair->up.from,
				    pair->up.to);
	if (r < 0) {
		capture_log(c, "connection", r);
		free(capture);
		return NULL;
	}
	/* shunt_pair_open() has taken the bounds of both targets away */
	flow_bound_again(&pair->up);
	flow_bound_again(&pair->down);
	capture->pair = pair;
	capture->capturer = c;
	captive_init(&capture->up, capture, &pair->up, &capture->shunt.up);
	captive_init(&capture->down, capture, &pair->down, &capture->shunt.down);
	return capture;
}

/* From here on the word of the flow tells what is on its way through here. */
static int prepare(struct captive *captive)
{
	struct capturer *c = captive->capture->capturer;
	struct flow *flow = captive->flow;

	if (captive->is_prepared)
		return 0;
	captive->is_prepared = true;
	if (is_one_way(captive->capture->pair))
		captive->base = tcp_written(flow->to) - flow->bytes;
	flow->pending = shunt_pending(c->shunt, captive->side);
	__atomic_store_n(flow->pending, !flow_is_empty(flow), __ATOMIC_SEQ_CST);
	return loop_add(&c->outs, &captive->room, flow->to, EPOLLOUT | EPOLLET, on_room);
}

static struct captive *find_awaited(struct capturer *c, uint64_t flow_id)
{
	struct captive *captive;

	LIST_FOREACH(captive, &c->awaited, awaiting)
		if (captive->side->id == flow_id)
			return captive;
	return NULL;
}

/* What is relayed while the sender is plain TCP says nothing of the shunt. */
static void begin_payoff(struct captive *captive)
{
	struct shunt *s = captive->capture->capturer->shunt;

	payoff_begin(&captive->payoff, captive->flow->bytes, shunt_redirected(s, captive->side));
}

/*
 * A sender that corks may do so only while it answers a request; in a long
 * transfer it is asked less and less often.
 */
static void try_later(struct captive *captive, bool is_corked)
{
	struct flow *flow = captive->flow;

	captive->is_suspended = true;
	*burst_of(captive->capture->pair, flow) = flow->bytes;
	if (!is_corked)
		return;
	captive->next_bytes = 2 * flow->bytes;
	captive->next_reads = 2 * flow->reads;
	walk_end_bulk(captive);
}

/* A capture is over, and what waited for that goes on. */
static void settle(struct captive *captive, int result)
{
	if (captive->is_awaited)
		LIST_REMOVE(captive, awaiting);
	captive->is_awaited = false;
	captive->was_captured |= result == SHUNT_CAPTURED;
	captive->is_released &= result != SHUNT_CAPTURED;
	flow_share_target(captive->flow, result == SHUNT_CAPTURED);
	if (result == SHUNT_UNREAD || result == SHUNT_CORKED)
		try_later(captive, result == SHUNT_CORKED);
	else if (result != SHUNT_CAPTURED)
		walk_end_bulk(captive);
	begin_payoff(captive);
	capture_log(captive->capture->capturer, captive_name(captive), result);
	if (is_one_way(captive->capture->pair))
		loop_ready(&captive->capture->pair->client.source);
}

static void on_admitted(void *context, uint64_t flow_id, int result)
{
	struct captive *captive = find_awaited(context, flow_id);

	if (captive)
		settle(captive, result);
}

void capture_answer(struct capturer *c, uint64_t flow_id, int result)
{
	struct captive *captive;

	/* nothing was asked for: no reply can be meant */
	if (!c->shunt)
		return;
	if (result == SHUNT_FOUND) {
		result = shunt_admit(c->shunt, on_admitted, c);
		if (result == 0)
			result = SHUNT_NO_FLOW; /* of those that were not admitted */
	}
	captive = find_awaited(c, flow_id);
	if (captive)
		settle(captive, result);
}

static bool *tried_of(struct pair *pair, const struct flow *flow)
{
	return flow == &pair->up ? &pair->up_tried : &pair->down_tried;
}

static void capture(struct captive *captive, uint64_t users)
{
	struct capturer *c = captive->capture->capturer;
	struct connector *connector = &captive->capture->pair->forwarder->connector;
	struct flow *flow = captive->flow;
	int r;

	if (!captive->was_captured || captive->is_released)
		captive->shorten_at = flow->bytes + CAPTIVE_SHORTEN_AFTER;
	LIST_INSERT_HEAD(&c->awaited, captive, awaiting);
	captive->is_awaited = true;
	/* not before: most senders from afar are refused, and their readers may have stopped */
	flow_share_target(flow, true);
	if (captive->is_client) {
		capture_answer(c, captive->side->id,
			       shunt_capture(&c->tools, captive->side, users));
		return;
	}
	r = connector_capture(connector, captive->side, users);
	if (r < 0)
		settle(captive, r == -EAGAIN ? SHUNT_NO_FLOW : r);
	if (r == -EAGAIN)
		*tried_of(captive->capture->pair, flow) = false;
}

/* From here on until settle() it is waiting, or awaited. */
static void try(struct captive *captive)
{
	struct capturer *c = captive->capture->capturer;
	struct flow *flow = captive->flow;
	int r = prepare(captive);

	*tried_of(captive->capture->pair, flow) = true;
	captive->is_suspended = false;
	if (r >= 0 && flow->bytes >= (uint64_t)flow->reads * BULK_READ)
		walk_ask_bulk(captive);
	if (r < 0)
		settle(captive, r);
	else if (!captive->is_client && captive->capture->pair->forwarder->connector.make)
		settle(captive, SHUNT_NO_SENDER); /* alone: it is in another namespace */
	else if (c->tools.rings_fd >= 0)
		rings_ask(captive);
	else
		capture(captive, 0);
}

/*
 * Each direction is tried once. A sender that blocked by then, or does since,
 * changes O_NONBLOCK as it goes, and would notice a capture while it blocks.
 */
static bool is_worth_it(struct pair *pair, const struct flow *flow)
{
	const struct captive *captive = captive_of(pair, flow);
	bool up = flow == &pair->up;

	if (up ? pair->up_ended : pair->down_ended)
		return false;
	if ((up ? pair->up_tried : pair->down_tried) &&
	    !(captive && captive->is_suspended))
		return false;
	if (is_one_way(pair))
		return flow->bytes - *burst_of(pair, flow) >= BURST_BYTES &&
		       (!captive || flow->bytes >= captive->next_bytes) &&
		       sender_is_drained(pair, flow);
	if (captive && captive->is_suspended)
		return flow->bytes >= captive->next_bytes || flow->reads >= captive->next_reads;
	return flow->bytes >= BUSY_BYTES || flow->reads >= BUSY_READS;
}

void capture_go(struct captive *captive, uint64_t users)
{
	/* while it waited, a byte may have come that must not reach a captured sender */
	if (is_one_way(captive->capture->pair) &&
	    !sender_is_drained(captive->capture->pair, captive->flow))
		settle(captive, SHUNT_UNREAD);
	else
		capture(captive, users);
}

void capture_consider(struct pair *pair)
{
	bool up = is_worth_it(pair, &pair->up), down = is_worth_it(pair, &pair->down);

	if (pair->capture) {
		captive_tend(&pair->capture->up);
		captive_tend(&pair->capture->down);
	}
	if (!up && !down)
		return;
	if (!pair->capture)
		pair->capture = capture_new(pair);
	if (!pair->capture) {
		pair->up_tried = pair->down_tried = true;
		return;
	}
	if (up)
		try(&pair->capture->up);
	if (down && !(up && is_one_way(pair)))
		try(&pair->capture->down);
}

static void log_end(const struct pair *pair, uint64_t up, uint64_t down)
{
	log_debug("connection ended: up %" PRIu64 " bytes relayed, %" PRIu64
		  " redirected; down %" PRIu64 " relayed, %" PRIu64 " redirected",
		  pair->up.bytes, up, pair->down.bytes, down);
}

static void captive_done(struct captive *captive)
{
	watch_stop(captive);
	loop_forget(&captive->room);
	rings_leave(captive);
	if (captive->is_awaited)
		LIST_REMOVE(captive, awaiting);
}

void capture_end(struct pair *pair)
{
	struct capture *capture = pair->capture;
	struct shunt *s = pair->forwarder->capturer.shunt;

	if (!capture) {
		log_end(pair, 0, 0);
		return;
	}
	log_end(pair, shunt_redirected(s, &capture->shunt.up),
		shunt_redirected(s, &capture->shunt.down));
	captive_done(&capture->up);
	captive_done(&capture->down);
	shunt_pair_close(s, &capture->shunt);
	free(capture);
	pair->capture = NULL;
}

static void on_outs(struct loop_source *source, uint32_t events)
{
	struct capturer *c =
		(void *)((char *)source - offsetof(struct capturer, outs_source));

	loop_turn(&c->outs, 0);
}

int capturer_init(struct capturer *c, struct loop *loop)
{
	int r;

	LIST_INIT(&c->awaited);
	r = loop_init(&c->outs);
	if (r >= 0)
		r = loop_add(loop, &c->outs_source, c->outs.epoll_fd, EPOLLIN, on_outs);
	if (r >= 0)
		r = walk_init(c, loop);
	if (r >= 0)
		r = watch_init(c, loop);
	return r;
}

void capturer_done(struct capturer *c)
{
	walk_done(c);
	timer_done(&c->tick_timer);
	loop_done(&c->outs);
	shunt_close(c->shunt);
}
