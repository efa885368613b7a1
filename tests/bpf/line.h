/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of talk.h on the shunt. */
#pragma once

#include "bpf/talk.h"
#include "datapath/shunt.h"

struct bench {
	struct shunt *shunt;
	struct shunt_pair pair;
	int left[2];  /* D, A */
	int right[2]; /* B, C */
};

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

static inline int capture_server(struct bench *b)
{
	return shunt_capture_here(b->shunt, &b->pair.down);
}
