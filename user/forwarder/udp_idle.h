/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which session was idle longest: of all, when its time is over or all have to
 * make room, and of the rule's, where that has a limit of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct forwarder;
struct rule;
struct udp_session;

enum udp_state { UDP_UNREPLIED, UDP_REPLIED, UDP_STATES };

TAILQ_HEAD(udp_session_list, udp_session);

/* Sessions, those of each state by when they last had a datagram, the longest ago first. */
struct udp_pool {
	struct udp_session_list idle[UDP_STATES];
	unsigned int n, unreplied;
};

/* In whose pool a session is: an index of session->idle[]. */
enum udp_of { UDP_OF_ALL, UDP_OF_RULE, UDP_POOLS };

void udp_pool_init(struct udp_pool *pool);

/* udp_idle_add, udp_idle_remove - of all pools that it belongs to, by s->state. */
void udp_idle_add(struct udp_session *s);
void udp_idle_remove(struct udp_session *s);

/*
 * udp_idle_oldest - the session that is to make room for another one; NULL: none can.
 * @rule: one of that rule; NULL: of all.
 */
struct udp_session *udp_idle_oldest(struct forwarder *f, struct rule *rule);
