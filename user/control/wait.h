/* SPDX-License-Identifier: Apache-2.0 */
/* How long one exchange over a socket may take as a whole, and what ends it earlier. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct control_wait {
	uint64_t end;	      /* as timer_now() */
	unsigned int seconds; /* from the start to the end, for the error line */
	int fd;		      /* @woken is called whenever it is readable; -1: none */
	int (*woken)(void *context); /* Returns 0, or -errno to give the exchange up */
	void *context;
};

/* control_wait_start - the exchange may take @seconds from now on; nothing else ends it. */
void control_wait_start(struct control_wait *w, unsigned int seconds);

/*
 * control_wait - until @fd, -1 for none, has one of @events (POLLIN, POLLOUT) or an error.
 * Returns 0, -ETIMEDOUT at the end of the time (also when @fd is ready then: many short
 * waits are not a long one), or what w->woken returned.
 */
int control_wait(const struct control_wait *w, int fd, short events);

/*
 * control_wait_connect - connect the non-blocking @fd to @sa; while the queue there is full, try
 * again. Returns 0, -errno, or what @w says.
 */
int control_wait_connect(const struct control_wait *w, int fd, const struct sockaddr_un *sa);

/*
 * control_wait_send - all @len bytes. Returns 0, -errno, or what @w says.
 * control_wait_recv - some bytes, at most @len; descriptors that come with them are closed.
 * Returns how many, 0 at the end, -errno, or what @w says.
 */
int control_wait_send(const struct control_wait *w, int fd, const char *data, size_t len);
ssize_t control_wait_recv(const struct control_wait *w, int fd, char *data, size_t len);
