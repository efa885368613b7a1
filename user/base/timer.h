/* SPDX-License-Identifier: Apache-2.0 */
/* A one-shot timer as an event source: timerfd_create(2). */
#pragma once

#include "base/loop.h"

/*
 * timer_add - @fn is called, with @source and nothing else to do, each time
 * that a timer_set() has run out. Returns 0 or -errno.
 */
int timer_add(struct loop *loop, struct loop_source *source, loop_fn *fn);
void timer_done(struct loop_source *source);

/* timer_set - in @ms milliseconds from now, once; 0: not at all. */
void timer_set(struct loop_source *source, long ms);
void timer_set_us(struct loop_source *source, long us);

/* timer_now - CLOCK_MONOTONIC, in milliseconds. */
uint64_t timer_now(void);

/* timer_expired - call it first in @fn: false when there is nothing to do. */
bool timer_expired(struct loop_source *source);
