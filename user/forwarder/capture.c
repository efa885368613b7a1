/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/tcp.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

/* Relayed after the capture, it shows that the sender does not get into step. */
#define SHORTEN_AFTER (256 * 1024)

/* What a read brings on average from who sends in bulk. */
#define BULK_READ 8192

/* A flow that carried this much is worth a capture: it costs some 10 µs. */
static bool is_busy(const struct flow *f)
{
	return f->bytes >= 64 * 1024 || f->reads >= 32;
}

void capture_tell(struct capturer *c, const char *who, int result)
{
	if (result == SHUNT_CAPTURED)
		log_debug("captured: the %s's socket", who);
	/*
	 * As it should be: blocking senders are left alone, a client on another
	 * machine is none of this namespace's, and no map takes who is ending.
	 */
	if (result == SHUNT_CAPTURED || result == SHUNT_NO_SENDER ||
	    result == SHUNT_NO_FLOW || result == SHUNT_BLOCKING ||
	    result == SHUNT_ENDING || result == -EOPNOTSUPP)
		return;
	if (!log_allowed(&c->limit))
		return;
	if (result == -ENOSPC)
		log_warn("%u connections are on the shunt, the most there can be: "
			 "others stay on splice", SHUNT_FLOWS_MAX / 2);
	else
		log_warn("a connection stays on splice: the %s: %s", who,
			 result == SHUNT_UNSUITABLE ? "kTLS, MPTCP, zero copy, time stamps, or a rate" :
			 result == SHUNT_REFUSED ? "another sockmap has its socket" :
						   errno_text(result));
}

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

	if (captive->was_watched && captive->flow->writable && (events & EPOLLOUT) &&
	    !(events & (EPOLLERR | EPOLLHUP)))
		walk_ask(captive, SHUNT_ASK_EDGE);
}

/* Its own queue may be as long as it was. */
static void lengthen(struct captive *captive)
{
	if (captive->is_short)
		walk_ask(captive, SHUNT_ASK_GROW);
	captive->is_short = false;
	captive->shorten_at = UINT64_MAX;
}

/* What it became after its capture keeps its bytes on the relay leg already. */
static void let_go(struct captive *captive)
{
	struct shunt *s = captive->capture->capturer->shunt;

	log_debug("let go: the %s blocks now, or uses kTLS, zero copy or time stamps",
		  captive->is_client ? "client" : "container");
	watch_stop(captive);
	lengthen(captive);
	shunt_evict(s, captive->side);
}

/* A sender that goes on over its own leg although nothing speaks against the shunt. */
static void shorten(struct captive *captive)
{
	captive->shorten_at = UINT64_MAX;
	captive->is_short = true;
	captive->flow->acks = true;
	tcp_short_queue(captive->flow->from);
	walk_ask(captive, SHUNT_ASK_SHRINK);
}

/* It has just been relayed. */
static void tend(struct captive *captive)
{
	struct shunt *s = captive->capture->capturer->shunt;

	if (!shunt_is_captured(s, captive->side))
		return;
	if (shunt_wants_eviction(s, captive->side)) {
		let_go(captive);
		return;
	}
	watch_start(captive);
	/*
	 * Who writes megabytes at once may spend time on all that is left with each
	 * call, as redis-benchmark does, which copies it: with a short queue that was
	 * 200 calls where 10 do. And a write that does not fit is not shown to the
	 * verdict when it goes on, so it would not get into step anyway.
	 */
	if (shunt_writes_long(s, captive->side))
		lengthen(captive);
	else if (captive->flow->bytes >= captive->shorten_at)
		shorten(captive);
}

static void captive_init(struct captive *captive, struct capture *capture,
			 struct flow *flow, const struct shunt_side *side)
{
	captive->capture = capture;
	captive->flow = flow;
	captive->side = side;
	captive->is_client = flow == &capture->pair->up;
	captive->shorten_at = UINT64_MAX;
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
		capture_tell(c, "connection", r);
		free(capture);
		return NULL;
	}
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

	captive->shorten_at = flow->bytes + SHORTEN_AFTER;
	flow->pending = shunt_pending(c->shunt, captive->side);
	__atomic_store_n(flow->pending, !flow_is_empty(flow), __ATOMIC_SEQ_CST);
	return loop_add(&c->outs, &captive->room, flow->to, EPOLLOUT | EPOLLET, on_room);
}

static void capture(struct captive *captive)
{
	struct capturer *c = captive->capture->capturer;
	struct flow *flow = captive->flow;
	int r = prepare(captive);

	if (r >= 0 && flow->bytes >= (uint64_t)flow->reads * BULK_READ)
		walk_ask_bulk(captive);
	if (r < 0)
		capture_tell(c, "connection", r);
	else if (captive->is_client)
		capture_tell(c, "client", shunt_capture(&c->tools, captive->side));
	else
		connector_capture(&captive->capture->pair->forwarder->connector,
				  captive->side);
}

/*
 * Each direction is tried once. A sender that blocked by then, or does since,
 * changes O_NONBLOCK as it goes, and would notice a capture while it blocks.
 */
void capture_consider(struct pair *pair)
{
	bool up = !pair->up_tried && !pair->up_ended && is_busy(&pair->up);
	bool down = !pair->down_tried && !pair->down_ended && is_busy(&pair->down);

	if (pair->capture) {
		tend(&pair->capture->up);
		tend(&pair->capture->down);
	}
	if (!up && !down)
		return;
	pair->up_tried |= up;
	pair->down_tried |= down;
	if (!pair->capture)
		pair->capture = capture_new(pair);
	if (!pair->capture) {
		pair->up_tried = pair->down_tried = true;
		return;
	}
	if (up)
		capture(&pair->capture->up);
	if (down)
		capture(&pair->capture->down);
}

static void tell_end(const struct pair *pair, uint64_t up, uint64_t down)
{
	log_debug("connection ended: up %" PRIu64 " bytes relayed, %" PRIu64
		  " redirected; down %" PRIu64 " relayed, %" PRIu64 " redirected",
		  pair->up.bytes, up, pair->down.bytes, down);
}

void capture_end(struct pair *pair)
{
	struct capture *capture = pair->capture;
	struct shunt *s = pair->forwarder->capturer.shunt;

	if (!capture) {
		tell_end(pair, 0, 0);
		return;
	}
	tell_end(pair, shunt_redirected(s, &capture->shunt.up),
		 shunt_redirected(s, &capture->shunt.down));
	watch_stop(&capture->up);
	watch_stop(&capture->down);
	loop_forget(&capture->up.room);
	loop_forget(&capture->down.room);
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
