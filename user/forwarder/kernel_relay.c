/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/kernel_relay.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"
#include "forwarder/pair.h"

/*
 * The kernel's queue is emptied by one of its workers within microseconds, or
 * at the next tick when the target was briefly full; nothing tells of it.
 */
#define RETRY_MS 1
#define BREAK_TRIES 50

/* A hand-over costs some ten system calls, and a pair that was in the maps more at its end. */
#define MESSAGES_MIN 64
#define MESSAGE_MAX 8192

/* What this process will wait for all of them when it ends. */
#define PATIENCE_MS 100

static bool *has_it(struct pair *pair, const struct flow *flow)
{
	return flow == &pair->up ? &pair->relay.up : &pair->relay.down;
}

static uint32_t index_of(struct pair *pair, const struct flow *flow)
{
	return flow == &pair->up ? SOCKMAP_UP(&pair->relay.sockets) :
				   SOCKMAP_DOWN(&pair->relay.sockets);
}

int kernel_relay_retry(struct pair *pair)
{
	struct kernel_relays *k = &pair->forwarder->relays;

	if (!k->map)
		return -EFAULT;
	if (pair->relay.waits)
		return 0;
	if (TAILQ_EMPTY(&k->waiting))
		timer_set(&k->timer, RETRY_MS);
	TAILQ_INSERT_TAIL(&k->waiting, pair, relay.waiting);
	pair->relay.waits = true;
	return 0;
}

static void forget(struct pair *pair)
{
	if (pair->relay.waits)
		TAILQ_REMOVE(&pair->forwarder->relays.waiting, pair, relay.waiting);
	pair->relay.waits = false;
}

/* Better no connection than a wrong one. */
static int give_up(struct forwarder *f)
{
	if (log_allowed(&f->relays.limit))
		log_warn("sockmap: the kernel has lost bytes, or has no memory to drop some that "
			 "came twice: a connection is reset (--datapath=splice does without)");
	return -EBADMSG;
}

/* Returns 1 when nothing is left that was passed, 0 when it has to wait, or -errno. */
static int move(struct pair *pair, struct flow *flow)
{
	struct forwarder *f = pair->forwarder;
	uint32_t index = index_of(pair, flow);
	struct sockmap_flow *k = sockmap_flow(f->relays.map, index);
	uint64_t start = flow == &pair->up ? pair->relay.up_start : pair->relay.down_start;
	bool drained = flow->bytes - start < k->passed && !flow_is_empty(flow);

	for (;;) {
		uint64_t moved = flow->bytes - start, passed, urgent_at, n;
		ssize_t r;

		/* a full barrier against the verdict's: one sees the other's number */
		__atomic_store_n(&k->moved, moved, __ATOMIC_SEQ_CST);
		passed = __atomic_load_n(&k->passed, __ATOMIC_SEQ_CST);
		if (k->broken)
			return give_up(f);
		if (passed == moved)
			return 1;
		/* what was redirected before it was passed goes before it */
		if (!drained && sockmap_backlog(f->relays.map, index))
			return kernel_relay_retry(pair);
		drained = true;
		urgent_at = __atomic_load_n(&k->urgent_at, __ATOMIC_SEQ_CST);
		n = passed - moved;
		if (!flow_is_empty(flow))
			n = 0; /* some of that was read: it goes first */
		else if (urgent_at == moved + 1)
			n = 1;
		else if (urgent_at > moved + 1 && urgent_at - 1 - moved < n)
			n = urgent_at - 1 - moved;
		r = flow_copy(&f->splice, flow, n, n && urgent_at == moved + 1);
		if (r < 0)
			return (int)r;
		if (!flow_is_empty(flow) && !flow->writable)
			return pair_want_out(pair, flow);
		/* counted and not yet in the queue; or see send_some() of splice.c */
		if (flow->bytes - start == moved)
			return kernel_relay_retry(pair);
	}
}

static void give_back(struct pair *pair, struct flow *flow)
{
	struct leg *from = flow == &pair->up ? &pair->client : &pair->container;

	*has_it(pair, flow) = false;
	flow->readable = true;
	from->relayed = false;
	pair_watch(from);
}

/* The lock of the socket: what came before the FIN has been counted then. */
static void wait_for_verdict(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
}

int kernel_relay_pump(struct pair *pair, struct flow *flow)
{
	int r;

	if (!*has_it(pair, flow))
		return 0;
	if (flow->hangup)
		wait_for_verdict(flow->from);
	r = move(pair, flow);
	if (r < 0)
		return r;
	if (r == 0 || !flow->hangup)
		return 1;
	if (sockmap_backlog(pair->forwarder->relays.map, index_of(pair, flow))) {
		kernel_relay_retry(pair);
		return 1;
	}
	give_back(pair, flow);
	return 0;
}

/* Is all that came before a reset written, as far as that goes without a reader? */
static bool is_drained(struct pair *pair, struct flow *flow)
{
	int r;

	if (!*has_it(pair, flow))
		return true;
	r = move(pair, flow);
	if (r <= 0)
		return r < 0 || !flow_is_empty(flow);
	return sockmap_backlog(pair->forwarder->relays.map, index_of(pair, flow)) == 0;
}

bool kernel_relay_breaks(struct pair *pair)
{
	struct kernel_relay *k = &pair->relay;
	bool drained;

	if (!k->up && !k->down)
		return false;
	if (!k->broken) {
		wait_for_verdict(pair->up.from);
		wait_for_verdict(pair->down.from);
	}
	k->broken = true;
	drained = is_drained(pair, &pair->up);
	drained &= is_drained(pair, &pair->down);
	if (drained || k->tries++ == BREAK_TRIES)
		return false;
	kernel_relay_retry(pair);
	return true;
}

bool kernel_relay_settle(struct pair *pair, struct flow *flow, bool wait)
{
	struct kernel_relays *k = &pair->forwarder->relays;

	if (!*has_it(pair, flow))
		return false;
	if (wait)
		wait_for_verdict(flow->from);
	while (!is_drained(pair, flow) && wait && k->patience_ms) {
		k->patience_ms -= RETRY_MS;
		loop_turn(&k->nothing, RETRY_MS);
	}
	return true;
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct kernel_relays *k =
		(void *)((char *)source - offsetof(struct kernel_relays, timer));
	struct pair *pair;
	unsigned int n = 0;

	if (!timer_expired(source))
		return;
	TAILQ_FOREACH(pair, &k->waiting, relay.waiting)
		n++;
	/* those that have to wait again are put behind them */
	while (n-- && (pair = TAILQ_FIRST(&k->waiting))) {
		forget(pair);
		if (!pair->relay.broken)
			pair_run(pair);
		else if (!kernel_relay_breaks(pair))
			pair_break(pair, -ECONNRESET);
	}
	if (!TAILQ_EMPTY(&k->waiting))
		timer_set(&k->timer, RETRY_MS);
}

static void on_spill(void *context, uint32_t index)
{
	struct kernel_relays *k = context;
	struct pair *pair = k->pairs[index / 2];

	if (pair && !pair->relay.broken)
		pair_run(pair);
}

static void on_spills(struct loop_source *source, uint32_t events)
{
	struct kernel_relays *k =
		(void *)((char *)source - offsetof(struct kernel_relays, spills));

	sockmap_spills(k->map, on_spill, k);
}

/*
 * Messages to and fro are what the kernel's relay is good at. Bulk is faster on
 * splice; and where both directions carry it at once and run out of room, the
 * kernel (6.18) passes bytes without charging them, far beyond SO_RCVBUF, until
 * TCP drops segments and waits for its timers.
 */
static bool is_messages(const struct flow *f)
{
	return !f->was_bulk && f->bytes <= (uint64_t)f->reads * MESSAGE_MAX;
}

/* The kernel would take a segment of which a part was read as a whole. */
static bool is_between_segments(const struct flow *f)
{
	return !f->readable && !f->urgent && !f->at_mark && !f->hangup && flow_is_empty(f);
}

/* Of a connection that is not handed over. One that has ended meanwhile is no matter. */
static void tell(struct kernel_relays *relays, int r)
{
	bool is_full = r == -ENOSPC || r == -E2BIG;

	log_debug("a connection stays on splice: %s", errno_text(r));
	if ((is_full || r == -ENOMEM) && log_allowed(&relays->limit))
		log_warn("sockmap has no room for more connections (%u at most): others stay on "
			 "splice", SOCKMAP_SLOTS);
}

void kernel_relay_consider(struct pair *pair)
{
	struct kernel_relays *relays = &pair->forwarder->relays;
	struct kernel_relay *k = &pair->relay;
	int r;

	if (k->tried || pair->up_ended || pair->down_ended ||
	    pair->up.reads + pair->down.reads < MESSAGES_MIN || !is_messages(&pair->up) ||
	    !is_messages(&pair->down) ||
	    !is_between_segments(&pair->up) || !is_between_segments(&pair->down))
		return;
	k->tried = true;
	k->up_start = pair->up.bytes;
	k->down_start = pair->down.bytes;
	r = sockmap_pair_open(relays->map, &k->sockets, pair->up.from, pair->up.to);
	if (r < 0) {
		tell(relays, r);
		return;
	}
	relays->pairs[k->sockets.slot] = pair;
	flow_share_target(&pair->up, true);
	flow_share_target(&pair->down, true);
	k->up = pair->client.relayed = true;
	k->down = pair->container.relayed = k->sockets.has_container;
	pair->client.wants_out = pair->container.wants_out = false;
	pair_watch(&pair->client);
	pair_watch(&pair->container);
}

void kernel_relay_close(struct pair *pair)
{
	struct kernel_relays *relays = &pair->forwarder->relays;

	if (!pair->relay.sockets.is_open)
		return;
	forget(pair);
	relays->pairs[pair->relay.sockets.slot] = NULL;
	sockmap_pair_close(relays->map, &pair->relay.sockets);
}

uint64_t kernel_relay_redirected(const struct pair *pair, bool up)
{
	const struct sockmap_pair *sockets = &pair->relay.sockets;
	const struct sockmap_flow *k;

	if (!sockets->is_open)
		return 0;
	k = sockmap_flow(pair->forwarder->relays.map,
			 up ? SOCKMAP_UP(sockets) : SOCKMAP_DOWN(sockets));
	return __atomic_load_n(&k->redirected, __ATOMIC_RELAXED);
}

int kernel_relay_setup(struct forwarder *f, struct sockmap *map, struct error *err)
{
	struct kernel_relays *k = &f->relays;
	int r;

	TAILQ_INIT(&k->waiting);
	k->patience_ms = PATIENCE_MS;
	k->map = map;
	k->pairs = calloc(SOCKMAP_SLOTS, sizeof(*k->pairs));
	r = k->pairs ? loop_init(&k->nothing) : -ENOMEM;
	if (r >= 0)
		r = timer_add(&f->loop, &k->timer, on_timer);
	if (r >= 0)
		r = loop_add(&f->loop, &k->spills, sockmap_spills_fd(k->map), EPOLLIN,
			     on_spills);
	return r < 0 ? error_errno(err, r, "cannot set up datapath sockmap") : 0;
}

void kernel_relay_done(struct forwarder *f)
{
	struct kernel_relays *k = &f->relays;

	if (!k->map)
		return;
	timer_done(&k->timer);
	loop_done(&k->nothing);
	free(k->pairs);
}
