/* SPDX-License-Identifier: Apache-2.0 */
/* An empty root directory: there is no file that the process could open. */
#pragma once

/* How much of the file system is left to the process. */
enum isolation_root {
	ROOT_EMPTY,    /* none: the root is an empty tmpfs, read-only */
	ROOT_LANDLOCK, /* what is there can be seen, and not be opened */
	ROOT_HOST,     /* all that the user may open */
};

/*
 * isolation_empty_root - move to mount, IPC and UTS namespaces of its own, and
 * make an empty read-only tmpfs the root directory (pivot_root(2); chroot(2)
 * where the root is the kernel's initramfs). Without CAP_SYS_ADMIN a user
 * namespace that maps no user gives the right to do so, where the kernel lets
 * users make one. Call it while the process has one thread and all its files.
 *
 * Returns ROOT_EMPTY, or ROOT_HOST when the kernel refused: the root is what it
 * was then, perhaps in namespaces of its own.
 */
enum isolation_root isolation_empty_root(void);

/*
 * isolation_landlock - refuse to open, make or remove files (Landlock,
 * landlock(7), Linux 5.13). Needs no_new_privs. Returns ROOT_LANDLOCK, or
 * ROOT_HOST where the kernel has no Landlock.
 */
enum isolation_root isolation_landlock(void);
