/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of the shunt's map of flows, whose memory this process shares with
 * the programs. It is mapped piece by piece: an idle forwarder pays for none.
 */
#pragma once

#include <stdint.h>

#include "shunt_abi.h"

#define SHUNT_FLOWS_PIECE 1024 /* flows, 64 KiB */
#define SHUNT_FLOWS_PIECES 64

struct shunt_flows {
	int map_fd; /* not owned */
	uint32_t max, mapped, n_free;
	uint32_t first_free; /* a free slot's `target` is the next one */
	struct shunt_flow *pieces[SHUNT_FLOWS_PIECES];
};

/* shunt_flows_init - for a map of @max flows, or as many as there are pieces. */
void shunt_flows_init(struct shunt_flows *f, int map_fd, uint32_t max);
void shunt_flows_done(struct shunt_flows *f);

/*
 * shunt_flows_reserve - make sure that @n slots can be taken.
 * Returns 0, -ENOSPC when the map is full, or another -errno.
 */
int shunt_flows_reserve(struct shunt_flows *f, uint32_t n);

/* shunt_flows_take - after a reservation. shunt_flows_put - its id is 0 already. */
uint32_t shunt_flows_take(struct shunt_flows *f);
void shunt_flows_put(struct shunt_flows *f, uint32_t slot);

static inline struct shunt_flow *shunt_flow(const struct shunt_flows *f, uint32_t slot)
{
	return &f->pieces[slot / SHUNT_FLOWS_PIECE][slot % SHUNT_FLOWS_PIECE];
}
