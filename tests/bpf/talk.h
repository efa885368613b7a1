/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connections, and a program of ours in the place of the forwarder:
 *
 *     D ──── A  (the forwarder)  B ──── C
 */
#pragma once

#include "kernel/socket.h"

/* Of a struct bench with the members left (D, A) and right (B, C). */
#define D(b) ((b)->left[0])
#define A(b) ((b)->left[1])
#define B(b) ((b)->right[0])
#define C(b) ((b)->right[1])

/* What @fd gets next: the text, "" for nothing now. */
static inline const char *arrived(int fd)
{
	static char text[64];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static inline bool waits_for(int fd, const char *want)
{
	wait_for(fd, POLLIN);
	return strcmp(arrived(fd), want) == 0;
}

static inline bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)strlen(text);
}
