/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle-timeout: a connection over which no byte went for so long is reset on
 * both sides, so that nobody takes that for an end in order; also one that is
 * half closed, or not answered yet.
 *
 * What counts is what the two sockets of a connection have received, and what
 * their peers have acknowledged: the kernel counts it whichever datapath moves
 * the bytes, and a receiver that is slow to empty a full queue is not idle. All
 * connections of a rule are looked at four times in its timeout, some at a
 * time; so the end comes up to a quarter later. Without that limit nothing is
 * done or kept.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct forwarder;
struct pair;
struct rule;

/* Embedded in a rule. */
struct idle {
	uint64_t due; /* CLOCK_MONOTONIC, ms: the next look at all its pairs; 0: none */
	bool is_looking;
	struct pair *next; /* where the look at hand goes on */
};

/* Embedded in the forwarder. */
struct idle_watch {
	struct loop_source timer;
	uint64_t timer_at; /* ms; 0: not set */
};

/* idle_init - Returns 0 or -errno. */
int idle_init(struct forwarder *f);
void idle_done(struct forwarder *f);

/* idle_pair_new, idle_pair_gone - of a rule's pairs, which has it yet. */
void idle_pair_new(struct rule *rule);
void idle_pair_gone(struct rule *rule, const struct pair *pair);
