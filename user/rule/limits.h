/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may go on at a time: what --limit says of all rules together and
 * --rule-limit of each. Text to struct and back; forwarder/gate.h says what
 * happens at each limit.
 *
 *     connections=100,connect-rate=50,idle-timeout=off
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum limit {
	LIMIT_CONNECTIONS,  /* TCP, open at a time */
	LIMIT_CONNECT_RATE, /* new ones a second */
	LIMIT_HALF_OPEN,    /* accepted, and not yet answered by the container */
	LIMIT_UDP_SESSIONS,
	LIMIT_IDLE_TIMEOUT, /* seconds without a byte; of a rule only */
	LIMITS,
};

#define LIMIT_OFF UINT32_MAX
#define LIMIT_MAX 1000000000

struct limits {
	uint32_t of[LIMITS]; /* 0: not given; LIMIT_OFF: as many as there can be */
};

/* What holds where nothing is given: README.md and the man page name them. */
#define LIMITS_DEFAULT (struct limits){ { LIMIT_OFF, LIMIT_OFF, LIMIT_OFF, 16384, LIMIT_OFF } }
#define RULE_LIMITS_DEFAULT                                                   \
	(struct limits){ { LIMIT_OFF, LIMIT_OFF, 1024, LIMIT_OFF, LIMIT_OFF } }

/* Room for what limits_format() writes, NUL included. */
#define LIMITS_FORMAT_MAX 128

/* limit_name - as options have it, "connect-rate". */
const char *limit_name(enum limit limit);

/* limit_keys - as JSON has them, "connect_rate"; NULL ends them. */
extern const char *const limit_keys[LIMITS + 1];

/*
 * limits_parse - NAME=N, or NAME=off, with commas between several. Those that
 * are named replace what is in @limits; on failure nothing does.
 * @each: of each rule, not of all together.
 * Returns 0, or -EINVAL with one line in @err.
 */
int limits_parse(const char *text, bool each, struct limits *limits, struct error *err);

/* limits_merge - those that are given in @more replace those in @limits. */
void limits_merge(struct limits *limits, const struct limits *more);

/* limits_given - is any? */
bool limits_given(const struct limits *limits);

/* limits_format - those that are not off, as limits_parse() reads them; "" for none. */
const char *limits_format(const struct limits *limits, char text[LIMITS_FORMAT_MAX]);
