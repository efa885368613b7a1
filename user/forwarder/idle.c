/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/idle.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

/* So often is a connection looked at in its timeout. */
#define LOOKS 4

/* So many in one turn of the loop: two system calls each, 1 µs. */
#define BATCH 256
#define BATCH_PAUSE_MS 1

static uint64_t period_ms(const struct rule *rule)
{
	return 1000ull * rule->gate.limits.of[LIMIT_IDLE_TIMEOUT] / LOOKS;
}

static void set_timer(struct idle_watch *w, uint64_t at, uint64_t now)
{
	if (w->timer_at && w->timer_at <= at)
		return;
	w->timer_at = at;
	timer_set(&w->timer, at > now ? (long)(at - now) : BATCH_PAUSE_MS);
}

/* All rules with the same timeout are due at the same time. */
static void schedule(struct rule *rule, uint64_t now)
{
	uint64_t period = period_ms(rule);

	rule->idle.due = (now / period + 1) * period;
}

/* It wraps, but no rate makes it stand still. */
static uint32_t moved(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return (uint32_t)(info.tcpi_bytes_received + info.tcpi_bytes_acked);
}

static void look(struct rule *rule, struct pair *pair)
{
	uint32_t seen = moved(pair->up.from) + moved(pair->up.to);

	if (!pair->idle_looks || seen != pair->idle_seen) {
		pair->idle_seen = seen;
		pair->idle_looks = 1;
		return;
	}
	if (pair->idle_looks++ < LOOKS)
		return;
	log_debug("no byte for %u s: the connection is reset",
		  rule->gate.limits.of[LIMIT_IDLE_TIMEOUT]);
	rule->gate.reached[LIMIT_IDLE_TIMEOUT]++;
	pair_abort(pair);
}

/* Returns false when the rest has to wait. */
static bool look_at_all(struct rule *rule, unsigned int *budget)
{
	struct pair *pair;

	if (!rule->idle.is_looking)
		rule->idle.next = LIST_FIRST(&rule->pairs);
	rule->idle.is_looking = true;
	while ((pair = rule->idle.next)) {
		if (!*budget)
			return false;
		--*budget;
		rule->idle.next = LIST_NEXT(pair, entry);
		look(rule, pair);
	}
	rule->idle.is_looking = false;
	return true;
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct idle_watch *w = (void *)((char *)source - offsetof(struct idle_watch, timer));
	struct forwarder *f = (void *)((char *)w - offsetof(struct forwarder, idle));
	unsigned int budget = BATCH;
	uint64_t now = timer_now();
	struct rule *rule, *after;

	if (!timer_expired(source))
		return;
	w->timer_at = 0;
	for (rule = TAILQ_FIRST(&f->rules.list); rule; rule = after) {
		rule_use(rule);
		if (rule->idle.due && rule->idle.due <= now && look_at_all(rule, &budget))
			schedule(rule, now);
		if (!rule->pairs_open)
			rule->idle.due = 0;
		if (rule->idle.due)
			set_timer(w, rule->idle.due, now);
		after = TAILQ_NEXT(rule, entry);
		rule_release(rule);
	}
}

void idle_pair_new(struct rule *rule)
{
	uint64_t now;

	if (rule->gate.limits.of[LIMIT_IDLE_TIMEOUT] == LIMIT_OFF || rule->idle.due)
		return;
	now = timer_now();
	schedule(rule, now);
	set_timer(&rule->forwarder->idle, rule->idle.due, now);
}

void idle_pair_gone(struct rule *rule, const struct pair *pair)
{
	if (rule->idle.next == pair)
		rule->idle.next = LIST_NEXT(pair, entry);
}

int idle_init(struct forwarder *f)
{
	return timer_add(&f->loop, &f->idle.timer, on_timer);
}

void idle_done(struct forwarder *f)
{
	timer_done(&f->idle.timer);
}
