/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the container still where connects go? When it gets another address, they fail with
 * EHOSTUNREACH, ENETUNREACH or ETIMEDOUT. The user gets one warning, and the next one only
 * after a connect has succeeded in between.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/log.h"

struct forwarder;

/* Embedded in the forwarder, zeroed. */
struct reach {
	uint8_t lost; /* bit 0: the IPv4 address was warned of, bit 1: the IPv6 address */
	struct log_limit limit;
};

/*
 * reach_failed - a connect or send to the container's address of @family failed with @error,
 * of either sign. Returns whether it is one of those above. A refusal is an answer.
 * reach_worked - the container has answered at that address, or has another one.
 */
bool reach_failed(struct forwarder *f, sa_family_t family, int error);
void reach_worked(struct forwarder *f, sa_family_t family);
