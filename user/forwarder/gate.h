/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a newcomer has to pass: the limits of its rule, then those of all rules
 * together. Where one is reached, the listeners that somebody comes to are not
 * accepted on: newcomers wait in the kernel's backlog, and what is open goes on.
 *
 *   connections   until one ends
 *   half-open     until the container answers one, or one ends
 *   connect-rate  until it is its turn: there is a tenth of a second's worth
 *                 that may come at once, at least one
 *
 * Each gate has its own listeners that wait. As soon as there is room the first
 * of them is let go, which takes whom it can and lets the next one go: nobody
 * is woken for nothing, and all get their turn.
 *
 * (The limit of open files is another matter: forwarder_may_accept(). So are
 * udp-sessions, see udp.h, and idle-timeout, see idle.h.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "forwarder/listener.h"
#include "forwarder/protocol.h"
#include "rule/limits.h"

struct forwarder;
struct rule;

/* Embedded in a rule, and in the forwarder for all of them. */
struct gate {
	struct limits limits; /* each is given */
	uint64_t reached[LIMITS]; /* so often: newcomers waited, or others had to go */
	unsigned long half_open;
	uint64_t paced_to;	/* ns: how far those who came fill the time at connect-rate */
	struct log_limit told[LIMITS];
	struct listener_list waiting;
	bool is_paced; /* in gates->paced */
	TAILQ_ENTRY(gate) paced;
	const struct rule *rule; /* NULL: all */
	struct forwarder *forwarder;
};

TAILQ_HEAD(gate_list, gate);

/* Embedded in the forwarder. */
struct gates {
	struct gate all;
	struct limits each; /* of rules that are made from now on */
	struct gate_list paced; /* those with somebody who waits for connect-rate */
	struct loop_source timer;
	uint64_t timer_at; /* CLOCK_MONOTONIC, ns; 0: not set */
};

/* gates_init - nothing is limited before gates_setup(). Returns 0 or -errno. */
int gates_init(struct forwarder *f);
void gates_setup(struct forwarder *f, const struct limits *all, const struct limits *each);
void gates_done(struct forwarder *f);

/* gate_init - @rule: NULL for that of all. gate_done - nobody waits at it any more. */
void gate_init(struct gate *g, struct forwarder *f, const struct rule *rule,
	       const struct limits *limits);
void gate_done(struct gate *g);

/*
 * gates_hinder - the gate at which who comes to @rule has to wait, and by which
 * limit; NULL: at none.
 */
struct gate *gates_hinder(struct rule *rule, enum limit *ret);

void gate_report(const struct gate *g, struct forwarder_limits *ret);

/* gate_tell - somebody waits, or has to go, for that limit: count it, and tell it. */
void gate_tell(struct gate *g, enum limit limit);

/* gates_connecting - one was accepted; gates_connected - and answered, or it ended. */
void gates_connecting(struct rule *rule);
void gates_connected(struct rule *rule);

/* gates_release - after somebody left: let those go who can. */
void gates_release(struct rule *rule);
