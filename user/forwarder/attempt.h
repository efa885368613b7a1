/* SPDX-License-Identifier: Apache-2.0 */
/* A second connect of a connection, to the container's other address: family.h. */
#pragma once

#include <sys/socket.h>

#include "base/addr.h"
#include "base/loop.h"

struct pair;

struct attempt {
	struct loop_source source;
	struct pair *pair;
	sa_family_t family;
};

/*
 * attempt_new - connect @fd, which it takes, to @to at the pair's port; @fn is called when that
 * is over. Returns NULL on failure.
 */
struct attempt *attempt_new(struct pair *pair, const struct addr *to, int fd, loop_fn *fn);

/* attempt_free - and close its socket, if it still has one. */
void attempt_free(struct attempt *a);
