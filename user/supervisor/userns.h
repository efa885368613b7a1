/* SPDX-License-Identifier: Apache-2.0 */
/* The id maps of a new user namespace: user_namespaces(7), subuid(5). */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/*
 * userns_map - give the user namespace of @pid its id maps: the caller's ids
 * become 0, and the ids that /etc/subuid and /etc/subgid delegate to the
 * caller follow from 1 on, by newuidmap(1) and newgidmap(1). Where those are
 * missing only the caller's id is mapped, which is logged.
 * Returns 0 or -errno with @err set.
 */
int userns_map(pid_t pid, struct error *err);
