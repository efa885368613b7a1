/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/gate.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "base/timer.h"
#include "forwarder/forwarder.h"

#define NS 1000000000ull

/* What may come at once, as a part of what may come in a second. */
#define BURST_NS (NS / 10)

/* Those who come faster are let in by several at a time. */
#define PACE_MIN_US 1000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static uint64_t interval(const struct gate *g)
{
	return NS / g->limits.of[LIMIT_CONNECT_RATE];
}

/* When the next one may come. */
static uint64_t next_at(const struct gate *g)
{
	uint64_t burst = interval(g) < BURST_NS ? BURST_NS - interval(g) : 0;

	return g->paced_to > burst ? g->paced_to - burst : 0;
}

static void pace(struct gate *g)
{
	uint64_t now;

	if (g->limits.of[LIMIT_CONNECT_RATE] == LIMIT_OFF)
		return;
	now = now_ns();
	g->paced_to = (g->paced_to > now ? g->paced_to : now) + interval(g);
}

static unsigned long connections(const struct gate *g)
{
	return g->rule ? g->rule->pairs_open : g->forwarder->pairs_open;
}

/* The limit that keeps one more out; LIMITS: none. */
static enum limit hinders(const struct gate *g)
{
	if (connections(g) >= g->limits.of[LIMIT_CONNECTIONS])
		return LIMIT_CONNECTIONS;
	if (g->half_open >= g->limits.of[LIMIT_HALF_OPEN])
		return LIMIT_HALF_OPEN;
	if (g->limits.of[LIMIT_CONNECT_RATE] != LIMIT_OFF && next_at(g) > now_ns())
		return LIMIT_CONNECT_RATE;
	return LIMITS;
}

struct gate *gates_hinder(struct rule *rule, enum limit *ret)
{
	struct gate *all = &rule->forwarder->gates.all;

	*ret = hinders(&rule->gate);
	if (*ret != LIMITS)
		return &rule->gate;
	*ret = hinders(all);
	return *ret != LIMITS ? all : NULL;
}

static void set_timer(struct gates *gates, uint64_t at)
{
	uint64_t now = now_ns();
	long us = at > now ? (long)((at - now) / 1000) + 1 : 0;

	if (gates->timer_at && gates->timer_at <= at)
		return;
	gates->timer_at = at;
	timer_set_us(&gates->timer, us < PACE_MIN_US ? PACE_MIN_US : us);
}

static void wait_for_turn(struct gate *g)
{
	struct gates *gates = &g->forwarder->gates;

	if (!g->is_paced)
		TAILQ_INSERT_TAIL(&gates->paced, g, paced);
	g->is_paced = true;
	set_timer(gates, next_at(g));
}

static void warn(struct gate *g, enum limit limit)
{
	static const char *const what[] = {
		[LIMIT_CONNECTIONS] = "so many connections are open, and new ones wait until one "
				      "ends",
		[LIMIT_CONNECT_RATE] = "more connections came in a second, and wait for their turn",
		[LIMIT_HALF_OPEN] = "so many connections wait for the container's answer, and new "
				    "ones until one has it",
		[LIMIT_UDP_SESSIONS] = "so many sessions are open, and the one that is idle longest "
				       "makes room for a new one",
	};
	char spec[SPEC_FORMAT_MAX];

	if (g->rule)
		log_warn("rule %u, %s: --rule-limit %s=%u is reached: %s", g->rule->id,
			 spec_format(&g->rule->spec, spec, sizeof(spec)), limit_name(limit),
			 g->limits.of[limit], what[limit]);
	else
		log_warn("--limit %s=%u is reached: %s", limit_name(limit), g->limits.of[limit],
			 what[limit]);
}

void gate_tell(struct gate *g, enum limit limit)
{
	g->reached[limit]++;
	if (limit == LIMIT_CONNECT_RATE)
		wait_for_turn(g);
	if (log_allowed(&g->told[limit]))
		warn(g, limit);
}

static void release(struct gate *g)
{
	enum limit limit;

	if (TAILQ_EMPTY(&g->waiting) || g->forwarder->draining)
		return;
	limit = hinders(g);
	if (limit == LIMITS)
		listener_resume(TAILQ_FIRST(&g->waiting));
	else if (limit == LIMIT_CONNECT_RATE)
		wait_for_turn(g);
}

void gates_release(struct rule *rule)
{
	release(&rule->gate);
	release(&rule->forwarder->gates.all);
}

void gates_connecting(struct rule *rule)
{
	struct gate *all = &rule->forwarder->gates.all;

	pace(&rule->gate);
	pace(all);
	rule->gate.half_open++;
	all->half_open++;
}

void gates_connected(struct rule *rule)
{
	rule->gate.half_open--;
	rule->forwarder->gates.all.half_open--;
	gates_release(rule);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct gates *gates = (void *)((char *)source - offsetof(struct gates, timer));
	struct gate_list turn = TAILQ_HEAD_INITIALIZER(turn);
	struct gate *g;

	if (!timer_expired(source))
		return;
	gates->timer_at = 0;
	TAILQ_CONCAT(&turn, &gates->paced, paced);
	while ((g = TAILQ_FIRST(&turn))) {
		TAILQ_REMOVE(&turn, g, paced);
		g->is_paced = false;
		release(g);
	}
}

void gate_init(struct gate *g, struct forwarder *f, const struct rule *rule,
	       const struct limits *limits)
{
	*g = (struct gate){ .forwarder = f, .rule = rule, .limits = *limits };
	TAILQ_INIT(&g->waiting);
}

void gate_done(struct gate *g)
{
	if (g->is_paced)
		TAILQ_REMOVE(&g->forwarder->gates.paced, g, paced);
	g->is_paced = false;
}

void gate_report(const struct gate *g, struct forwarder_limits *ret)
{
	ret->limits = g->limits;
	memcpy(ret->reached, g->reached, sizeof(ret->reached));
}

int gates_init(struct forwarder *f)
{
	const struct limits off = {
		{ LIMIT_OFF, LIMIT_OFF, LIMIT_OFF, LIMIT_OFF, LIMIT_OFF },
	};

	f->gates.each = off;
	gate_init(&f->gates.all, f, NULL, &off);
	TAILQ_INIT(&f->gates.paced);
	return timer_add(&f->loop, &f->gates.timer, on_timer);
}

void gates_setup(struct forwarder *f, const struct limits *all, const struct limits *each)
{
	limits_merge(&f->gates.all.limits, all);
	limits_merge(&f->gates.each, each);
}

void gates_done(struct forwarder *f)
{
	timer_done(&f->gates.timer);
}
