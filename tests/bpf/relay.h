/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of talk.h on sockmap. */
#pragma once

#include "bpf/talk.h"
#include "datapath/sockmap.h"

struct bench {
	struct sockmap *map;
	struct sockmap_pair pair;
	int left[2];  /* D, A */
	int right[2]; /* B, C */
};

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
