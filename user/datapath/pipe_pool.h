/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes for splice(2), kept between uses. A connection holds one only while
 * bytes lie in it, so the number in use is the number of stalled flows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pipe_pair {
	int rd, wr; /* -1: none */
	bool is_large;
};

/*
 * A splice from a socket takes at most so much, whatever the fragments' size.
 * The first few are large. Those of stalled flows have to share what a user
 * may have (fs.pipe-user-pages-soft: 64 MiB), so further ones are smaller.
 */
#define PIPE_BYTES (1024 * 1024)
#define PIPE_BYTES_MANY (256 * 1024)
#define PIPE_BYTES_MIN (64 * 1024)
#define PIPES_LARGE 16

/* Kept for the next use; what comes back beyond that is closed. */
#define PIPE_POOL_MAX 16

struct pipe_pool {
	struct pipe_pair idle[PIPE_POOL_MAX];
	size_t n;
	size_t in_use;
};

/*
 * pipe_pool_get - a pipe that is empty. Returns 0 or -errno (-EMFILE,
 * -ENFILE, -ENOBUFS); *ret is none on failure.
 */
int pipe_pool_get(struct pipe_pool *pool, struct pipe_pair *ret);

/* pipe_pool_put - give back a pipe that is empty; *pipe becomes none. */
void pipe_pool_put(struct pipe_pool *pool, struct pipe_pair *pipe);

/* pipe_pool_drop - for a pipe with bytes in it; *pipe becomes none. */
void pipe_pool_drop(struct pipe_pool *pool, struct pipe_pair *pipe);

void pipe_pool_done(struct pipe_pool *pool);
