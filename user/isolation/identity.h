/* SPDX-License-Identifier: Apache-2.0 */
/* User, groups and capabilities of a process. */
#pragma once

#include <stdint.h>

/*
 * identity_drop - as root: take user and group ids that nobody else has, and
 * no other groups, so that no process of root's can be sent a signal. Then drop
 * all capabilities but those in @keep (bits by number, linux/capability.h), from
 * the bounding set, too. The signal of PR_SET_PDEATHSIG stays as it was.
 *
 * In a user namespace that does not map that id the ids stay; other users keep
 * theirs. Returns 0, or -errno when capabilities were left.
 */
int identity_drop(uint64_t keep);

/*
 * identity_keep_capabilities - drop all capabilities but those in @keep, from
 * the bounding set, too. Returns 0 or -errno.
 */
int identity_keep_capabilities(uint64_t keep);
