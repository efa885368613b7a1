/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

static void pipe_close(struct pipe_pair *pipe)
{
	pipe->rd = fd_close(pipe->rd);
	pipe->wr = fd_close(pipe->wr);
}

/*
 * Past fs.pipe-user-pages-soft a pipe is born with two slots (pipe(7)), and
 * bytes are moved faster by copying.
 */
static int set_size(const struct pipe_pool *pool, struct pipe_pair *pipe)
{
	pipe->is_large = pool->in_use < PIPES_LARGE &&
			 fcntl(pipe->wr, F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES;
	if (pipe->is_large || fcntl(pipe->wr, F_SETPIPE_SZ, PIPE_BYTES_MANY) > 0)
		return 0;
	return fcntl(pipe->wr, F_GETPIPE_SZ) >= PIPE_BYTES_MIN ? 0 : -ENOBUFS;
}

int pipe_pool_get(struct pipe_pool *pool, struct pipe_pair *ret)
{
	int fds[2], r;

	if (pool->n) {
		*ret = pool->idle[--pool->n];
		pool->in_use++;
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*ret = (struct pipe_pair){ .rd = fds[0], .wr = fds[1] };
	r = set_size(pool, ret);
	if (r < 0)
		pipe_close(ret);
	else
		pool->in_use++;
	return r;
}

void pipe_pool_put(struct pipe_pool *pool, struct pipe_pair *pipe)
{
	if (pipe->rd < 0)
		return;
	if (pool->n == PIPE_POOL_MAX || !pipe->is_large) {
		pipe_pool_drop(pool, pipe);
		return;
	}
	pool->in_use--;
	pool->idle[pool->n++] = *pipe;
	*pipe = (struct pipe_pair){ -1, -1, false };
}

void pipe_pool_drop(struct pipe_pool *pool, struct pipe_pair *pipe)
{
	if (pipe->rd < 0)
		return;
	pool->in_use--;
	pipe_close(pipe);
}

void pipe_pool_done(struct pipe_pool *pool)
{
	while (pool->n)
		pipe_close(&pool->idle[--pool->n]);
}
