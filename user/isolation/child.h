/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that does one thing for its parent. It is a fork, made while the
 * parent is privileged, and gives up all that the one thing does not take
 * before it reads its first message.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "isolation/isolate.h"

/* Descriptors that it keeps besides its socket and those of the log. */
#define CHILD_KEEP_MAX 2

struct child {
	pid_t pid; /* 0: none */
	int fd;	   /* a SOCK_SEQPACKET to it, the caller's; -1: none */
};

struct child_spec {
	const struct isolation *isolation;
	/* What it does: returns at the end of file on @fd, its end of the socket. */
	void (*work)(int fd, const void *context);
	const void *context;
	int keep[CHILD_KEEP_MAX]; /* kept open, -1: nothing */
};

/*
 * child_start - it is isolated, has a process group of its own, and ends with
 * the caller, or when all copies of @c->fd are closed. Returns 0, or -errno
 * with @c untouched.
 */
int child_start(struct child *c, const struct child_spec *spec);

/*
 * child_end - let it end, wait a moment for that, and reap it; harmless when
 * there is none. One that hangs is left to whoever reaps orphans.
 */
void child_end(struct child *c);
