/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

/*
 * The largest that an ordinary user may ask for (fs.pipe-max-size). A slot
 * holds one page fragment, of up to 32 KiB on loopback, so what counts is the
 * number of slots. Beyond fs.pipe-user-pages-soft the kernel refuses, and the
 * pipe keeps the size that it was born with: slower, never wrong.
 */
#define PIPE_BYTES (1 << 20)

int pipe_pool_get(struct pipe_pool *pool, struct pipe_pair *ret)
{
	int fds[2];

	if (pool->n) {
		*ret = pool->idle[--pool->n];
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	*ret = (struct pipe_pair){ .rd = fds[0], .wr = fds[1] };
	return 0;
}

void pipe_pool_put(struct pipe_pool *pool, struct pipe_pair *pipe)
{
	if (pipe->rd < 0)
		return;
	if (pool->n == PIPE_POOL_MAX) {
		pipe_close(pipe);
		return;
	}
	pool->idle[pool->n++] = *pipe;
	*pipe = (struct pipe_pair){ -1, -1 };
}

void pipe_close(struct pipe_pair *pipe)
{
	pipe->rd = fd_close(pipe->rd);
	pipe->wr = fd_close(pipe->wr);
}

void pipe_pool_done(struct pipe_pool *pool)
{
	while (pool->n)
		pipe_close(&pool->idle[--pool->n]);
}
