/* SPDX-License-Identifier: Apache-2.0 */
/* The UDP sessions of a portshunt that is taken over from: control/take_over.h. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "supervisor/old_one.h"

struct supervisor;

/*
 * sessions_take_over - get the sessions of @old, page by page, check each and its socket, and give
 * the forwarder those that lead where its rules do. *ret_n is how many it took. None where @old is
 * of another container. Returns 0, or -errno with @err set: also when @old says what cannot be,
 * or a socket is not of the container's.
 */
int sessions_take_over(struct supervisor *s, struct old_one *old, size_t *ret_n,
		       struct error *err);
