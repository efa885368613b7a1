/* SPDX-License-Identifier: Apache-2.0 */
/* Both addresses of the container, where one is given. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "supervisor/clients.h"

/*
 * targets_complete - where @start names one address, ask the netns child for the other family's:
 * clients of both families still go to the one that was named, and the other one is tried where
 * that refuses. @is_running: the loop runs, and must not wait for long.
 * Returns 0, also where there is no other; or -errno with @err set: the one that was named is of
 * a family whose sockets cannot be had.
 */
int targets_complete(struct client *netns, bool is_running, struct forwarder_request *start,
		     struct error *err);

/* targets_named - those of the two to which clients go at first; the others are AF_UNSPEC. */
void targets_named(sa_family_t first, struct addr *target4, struct addr *target6);
