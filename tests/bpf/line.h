/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connections, and a program of ours in the place of the forwarder:
 *
 *     D ──── A  (the forwarder)  B ──── C
 */
#pragma once

#include "datapath/shunt.h"
#include "kernel/socket.h"

struct bench {
	struct shunt *shunt;
	struct shunt_pair pair;
	int left[2];  /* D, A */
	int right[2]; /* B, C */
};

#define D(b) ((b)->left[0])
#define A(b) ((b)->left[1])
#define B(b) ((b)->right[0])
#define C(b) ((b)->right[1])

static inline void begin(struct bench *b, struct shunt *shunt, int size)
{
	*b = (struct bench){ .shunt = shunt };
	tcp_pair_sized(b->left, size);
	tcp_pair(b->right);
	MUST(shunt_pair_open(shunt, &b->pair, A(b), B(b)) < 0 ? -1 : 0);
	*shunt_pending(shunt, &b->pair.up) = 0;
	*shunt_pending(shunt, &b->pair.down) = 0;
	shunt_watch(shunt, &b->pair.down, true);
}

static inline void end(struct bench *b)
{
	shunt_pair_close(b->shunt, &b->pair);
	close_pair(b->left);
	close_pair(b->right);
}

static inline int capture_side(struct shunt *shunt, const struct shunt_side *side)
{
	struct shunt_tools tools = shunt_tools(shunt);

	return shunt_capture(&tools, side);
}

static inline int capture_server(struct bench *b)
{
	return capture_side(b->shunt, &b->pair.down);
}

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
