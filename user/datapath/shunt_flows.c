/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/shunt_flows.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#define PIECE_BYTES (SHUNT_FLOWS_PIECE * sizeof(struct shunt_flow))

_Static_assert(PIECE_BYTES % 65536 == 0, "a piece begins at a page, of any size");

void shunt_flows_init(struct shunt_flows *f, int map_fd, uint32_t max)
{
	const uint32_t most = SHUNT_FLOWS_PIECES * SHUNT_FLOWS_PIECE;

	*f = (struct shunt_flows){ .map_fd = map_fd, .max = max < most ? max : most };
}

void shunt_flows_done(struct shunt_flows *f)
{
	for (uint32_t i = 0; i < f->mapped; i += SHUNT_FLOWS_PIECE)
		munmap(f->pieces[i / SHUNT_FLOWS_PIECE], PIECE_BYTES);
	f->mapped = f->n_free = 0;
}

static int map_piece(struct shunt_flows *f)
{
	uint32_t first = f->mapped;
	void *memory;

	if (first + SHUNT_FLOWS_PIECE > f->max)
		return -ENOSPC;
	memory = mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->map_fd,
		      (off_t)(first * sizeof(struct shunt_flow)));
	if (memory == MAP_FAILED)
		return -errno;
	f->pieces[first / SHUNT_FLOWS_PIECE] = memory;
	f->mapped += SHUNT_FLOWS_PIECE;
	for (uint32_t slot = f->mapped; slot-- > first;)
		shunt_flows_put(f, slot);
	return 0;
}

int shunt_flows_reserve(struct shunt_flows *f, uint32_t n)
{
	int r = 0;

	while (f->n_free < n && r >= 0)
		r = map_piece(f);
	return r;
}

uint32_t shunt_flows_take(struct shunt_flows *f)
{
	uint32_t slot = f->first_free;

	f->first_free = (uint32_t)shunt_flow(f, slot)->target;
	f->n_free--;
	return slot;
}

void shunt_flows_put(struct shunt_flows *f, uint32_t slot)
{
	shunt_flow(f, slot)->target = f->first_free;
	f->first_free = slot;
	f->n_free++;
}
