/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_idle.h"

#include "forwarder/forwarder.h"
#include "forwarder/rules.h"
#include "forwarder/udp.h"

void udp_pool_init(struct udp_pool *pool)
{
	*pool = (struct udp_pool){ .n = 0 };
	for (int i = 0; i < UDP_STATES; i++)
		TAILQ_INIT(&pool->idle[i]);
}

/* NULL where nothing would ever be asked of it. */
static struct udp_pool *pool_of(const struct udp_session *s, enum udp_of of)
{
	struct rule *rule = s->listener->rule;

	if (of == UDP_OF_ALL)
		return &rule->forwarder->udp.pool;
	return rule->gate.limits.of[LIMIT_UDP_SESSIONS] == LIMIT_OFF ? NULL : &rule->udp_pool;
}

void udp_idle_add(struct udp_session *s)
{
	for (int of = 0; of < UDP_POOLS; of++) {
		struct udp_pool *pool = pool_of(s, of);

		if (!pool)
			continue;
		TAILQ_INSERT_TAIL(&pool->idle[s->state], s, idle[of]);
		pool->n++;
		pool->unreplied += s->state == UDP_UNREPLIED;
	}
}

void udp_idle_remove(struct udp_session *s)
{
	for (int of = 0; of < UDP_POOLS; of++) {
		struct udp_pool *pool = pool_of(s, of);

		if (!pool)
			continue;
		TAILQ_REMOVE(&pool->idle[s->state], s, idle[of]);
		pool->n--;
		pool->unreplied -= s->state == UDP_UNREPLIED;
	}
}

/*
 * Whoever invents addresses gets half of all there can be: then those without a
 * reply push each other out.
 */
struct udp_session *udp_idle_oldest(struct forwarder *f, struct rule *rule)
{
	struct udp_pool *pool = rule ? &rule->udp_pool : &f->udp.pool;
	struct udp_session *s = NULL;

	if (2 * pool->unreplied <= pool->n)
		s = TAILQ_FIRST(&pool->idle[UDP_REPLIED]);
	if (!s)
		s = TAILQ_FIRST(&pool->idle[UDP_UNREPLIED]);
	/* not one whose messages are about to be sent */
	return s && s->first < 0 ? s : NULL;
}
