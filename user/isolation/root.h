/* SPDX-License-Identifier: Apache-2.0 */
/* An empty root directory: there is no file that the process could open. */
#pragma once

#include <stdbool.h>

/*
 * isolation_empty_root - move to mount, IPC and UTS namespaces of its own, and
 * make an empty read-only tmpfs the root directory (pivot_root(2); chroot(2)
 * where the root is the kernel's initramfs). Without CAP_SYS_ADMIN a user
 * namespace that maps no user gives the right to do so, where the kernel lets
 * users make one. Call it while the process has one thread and all its files.
 *
 * Returns false when the kernel refused: the root is what it was then, perhaps
 * in namespaces of its own.
 */
bool isolation_empty_root(void);
