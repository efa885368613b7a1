/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a program with exactly the descriptors, namespaces and signal
 * state that it is to have, and learning at once when that fails.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define SPAWN_FDS_MAX 5

struct spawn {
	const char *path; /* absolute */
	char *const *argv;
	int fds[SPAWN_FDS_MAX]; /* these become 0, 1, 2, …; nothing else stays */
	unsigned n_fds;
	int userns_fd; /* joined first, as its root; -1: stay where we are */
	bool new_mntns; /* a mount namespace that tells the host nothing */
};

/*
 * spawn - run @s->path in a process group of its own, with every signal
 * unblocked and at its default, and killed (SIGKILL) when the calling thread
 * ends. Returns 0 once the program runs; then *ret_pid is to be reaped by the
 * caller and *ret_pidfd (CLOEXEC) to be closed. Otherwise -errno, nothing is
 * left, and the text says which step failed.
 * SIGCHLD must not be ignored: the kernel would reap the child unseen.
 */
int spawn(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd,
	  struct error *err);
