/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connections on sockmap, and a program of ours in the place of the
 * forwarder:
 *
 *     D ──── A  (the forwarder)  B ──── C
 */
#pragma once

#include "datapath/sockmap.h"
#include "kernel/socket.h"

struct bench {
	struct sockmap *map;
	struct sockmap_pair pair;
	int left[2];  /* D, A */
	int right[2]; /* B, C */
};

#define D(b) ((b)->left[0])
#define A(b) ((b)->left[1])
#define B(b) ((b)->right[0])
#define C(b) ((b)->right[1])

static inline void connect_all(struct bench *b, struct sockmap *map, int size)
{
	*b = (struct bench){ .map = map };
	tcp_pair_sized(b->left, size);
	tcp_pair_sized(b->right, size);
	set_option(A(b), SOL_SOCKET, SO_OOBINLINE, 1);
	set_option(B(b), SOL_SOCKET, SO_OOBINLINE, 1);
}

static inline void begin(struct bench *b, struct sockmap *map, int size)
{
	connect_all(b, map, size);
	MUST(sockmap_pair_open(map, &b->pair, A(b), B(b)) < 0 ? -1 : 0);
}

static inline void end(struct bench *b)
{
	close_pair(b->left);
	close_pair(b->right);
	sockmap_pair_close(b->map, &b->pair);
}

static inline struct sockmap_flow *up(struct bench *b)
{
	return sockmap_flow(b->map, SOCKMAP_UP(&b->pair));
}

static inline struct sockmap_flow *down(struct bench *b)
{
	return sockmap_flow(b->map, SOCKMAP_DOWN(&b->pair));
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
