/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

/* Not two walks within this time. */
#define WALK_MS 10

/* Relayed after the capture, it shows that the sender does not get into step. */
#define SHORTEN_AFTER (256 * 1024)

void capture_tell(struct forwarder *f, const char *who, int result)
{
	if (result == SHUNT_CAPTURED)
		log_debug("captured: the %s's socket", who);
	/*
	 * As it should be: blocking senders are left alone, and a client on
	 * another machine is none of this namespace's.
	 */
	if (result == SHUNT_CAPTURED || result == SHUNT_NO_SENDER ||
	    result == SHUNT_NO_FLOW || result == SHUNT_BLOCKING)
		return;
	if (!log_allowed(&f->capture_limit))
		return;
	if (result == -ENOSPC)
		log_warn("%u connections are on the shunt, the most there can be: "
			 "others stay on splice", SHUNT_FLOWS_MAX / 2);
	else
		log_warn("a connection stays on splice: the %s: %s", who,
			 result == SHUNT_UNSUITABLE ? "kTLS, MPTCP, zero copy, or ending" :
			 result == SHUNT_REFUSED ? "another sockmap has its socket" :
						   errno_text(result));
}

static void evict(struct pair *pair, bool up)
{
	struct forwarder *f = pair->forwarder;
	struct shunt_pair *p = &pair->shunt;

	if (!shunt_wants_eviction(f->shunt, up ? p->up_slot : p->down_slot))
		return;
	log_debug("let go: the %s blocks now, or uses kTLS, zero copy or MSG_MORE",
		  up ? "client" : "container");
	shunt_evict(f->shunt, up ? p->up_slot : p->down_slot, up ? p->up_id : p->down_id);
}

/* A flow that carried this much is worth a capture: it costs some 10 µs. */
static bool is_busy(const struct flow *f)
{
	return f->bytes >= 64 * 1024 || f->reads >= 32;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void walk(struct forwarder *f)
{
	if (f->walk_here)
		shunt_walk(&f->tools);
	if (f->walk_there)
		connector_walk(&f->connector);
	f->walk_here = f->walk_there = false;
	f->walk_next = now_ms() + WALK_MS;
}

static void on_walk_timer(struct loop_source *source, uint32_t events)
{
	if (timer_expired(source))
		walk((void *)((char *)source - offsetof(struct forwarder, walk_timer)));
}

/* At once, but so seldom that it costs little whatever clients do. */
static void ask_walk(struct pair *pair, bool up, enum shunt_ask what)
{
	struct forwarder *f = pair->forwarder;
	bool armed = f->walk_here || f->walk_there;

	if (!shunt_ask(f->shunt, up ? pair->shunt.up_slot : pair->shunt.down_slot, what))
		return;
	if (up)
		f->walk_here = true;
	else
		f->walk_there = true;
	if (armed)
		return;
	if (now_ms() >= f->walk_next)
		walk(f);
	else
		timer_set(&f->walk_timer, WALK_MS);
}

/* A sender that goes on over its own leg although nothing speaks against the shunt. */
static void shorten(struct pair *pair, struct flow *flow, bool up, uint64_t *at)
{
	if (flow->bytes < *at || !shunt_is_captured(pair->forwarder->shunt, up ?
					pair->shunt.up_slot : pair->shunt.down_slot))
		return;
	*at = UINT64_MAX;
	tcp_short_queue(flow->from);
	flow->acks = true;
	ask_walk(pair, up, SHUNT_ASK_SHRINK);
}

/*
 * Room in a target, without a write of ours that had waited for it: a
 * redirected one has failed (tcp_sendmsg set SOCK_NOSPACE), and the sender
 * got EAGAIN although its own socket is writable. EPOLLOUT is watched apart,
 * since an edge on another event would report it as well.
 */
static void on_room(struct loop_source *source, uint32_t events)
{
	struct leg *leg = (void *)((char *)source - offsetof(struct leg, room));
	struct pair *pair = leg->pair;
	bool client = leg == &pair->client;
	bool had_room = client ? pair->down.writable : pair->up.writable;
	bool first = !leg->room_told;

	leg->room_told = true;
	if (!first && had_room && (events & EPOLLOUT) &&
	    !(events & (EPOLLERR | EPOLLHUP)))
		ask_walk(pair, !client, SHUNT_ASK_EDGE); /* room in A: C waits */
}

/* From here on the word of the flow tells what is on its way through here. */
static int prepare_flow(struct forwarder *f, struct flow *flow, uint32_t slot,
			struct leg *target, uint64_t *shorten_at)
{
	*shorten_at = flow->bytes + SHORTEN_AFTER;
	flow->pending = shunt_pending(f->shunt, slot);
	__atomic_store_n(flow->pending, !flow_is_empty(flow), __ATOMIC_SEQ_CST);
	return loop_add(&f->outs, &target->room, flow->to, EPOLLOUT | EPOLLET, on_room);
}

void capture_summary(const struct pair *pair)
{
	const struct shunt *s = pair->forwarder->shunt;
	const struct shunt_pair *p = &pair->shunt;
	bool on = p->client_key != 0;

	if (log_level_get() < LOG_DEBUG)
		return;
	log_debug("connection ended: up %" PRIu64 " bytes relayed, %" PRIu64
		  " redirected; down %" PRIu64 " relayed, %" PRIu64 " redirected",
		  pair->up.bytes, on ? shunt_redirected(s, p->up_slot) : 0,
		  pair->down.bytes, on ? shunt_redirected(s, p->down_slot) : 0);
}

int capture_init(struct forwarder *f)
{
	return timer_add(&f->loop, &f->walk_timer, on_walk_timer);
}

void capture_consider(struct pair *pair)
{
	struct forwarder *f = pair->forwarder;
	bool up = !pair->up_tried && !pair->up_ended && is_busy(&pair->up);
	bool down = !pair->down_tried && !pair->down_ended && is_busy(&pair->down);

	int r;

	if (pair->shunt.client_key) {
		evict(pair, true);
		evict(pair, false);
		shorten(pair, &pair->up, true, &pair->up_shorten);
		shorten(pair, &pair->down, false, &pair->down_shorten);
	}
	if (!up && !down)
		return;
	pair->up_tried |= up;
	pair->down_tried |= down;
	if (!pair->shunt.client_key &&
	    (r = shunt_pair_open(f->shunt, &pair->shunt, pair->up.from,
				 pair->up.to)) < 0) {
		pair->up_tried = pair->down_tried = true;
		capture_tell(f, "both ends", r);
		return;
	}
	if (up && prepare_flow(f, &pair->up, pair->shunt.up_slot, &pair->container,
			       &pair->up_shorten) >= 0)
		capture_tell(f, "client", shunt_capture(&f->tools, pair->shunt.up_slot,
							pair->shunt.up_id));
	if (down && prepare_flow(f, &pair->down, pair->shunt.down_slot, &pair->client,
				 &pair->down_shorten) >= 0)
		connector_capture(&f->connector, pair->shunt.down_slot,
				  pair->shunt.down_id);
}
