/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen of the container while it runs: whether anything in its namespace has the
 * address that connects go to, and whether --netns PATH still is that namespace.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/json.h"

struct supervisor;

/*
 * container_has_address - has the network namespace of process @pid the address @a? True also
 * where /proc cannot tell.
 */
bool container_has_address(pid_t pid, const struct addr *a);

/* container_check - log a warning for each of the two addresses that nothing there has. */
void container_check(const struct supervisor *s, const struct addr *child4,
		     const struct addr *child6);

/* container_warnings - the same, and of the namespace, as a list of strings; the caller's. */
struct json *container_warnings(const struct supervisor *s, const struct addr *child4,
				const struct addr *child6);

/*
 * container_watch - from now on log a warning when --netns PATH becomes another namespace, or
 * none. Without a PATH, or where mounts cannot be watched, this does nothing.
 */
void container_watch(struct supervisor *s);
