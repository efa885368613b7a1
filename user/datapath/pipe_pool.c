/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

/*
 * Past fs.pipe-user-pages-soft a pipe is born with two slots (pipe(7)), and
 * bytes are moved faster by copying.
 */
static int set_size(int fd)
{
	if (fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES)
		return 0;
	return fcntl(fd, F_GETPIPE_SZ) >= PIPE_BYTES_MIN ? 0 : -ENOBUFS;
}

int pipe_pool_get(struct pipe_pool *pool, struct pipe_pair *ret)
{
	int fds[2], r;

	if (pool->n) {
		*ret = pool->idle[--pool->n];
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*ret = (struct pipe_pair){ .rd = fds[0], .wr = fds[1] };
	r = set_size(fds[1]);
	if (r < 0)
		pipe_close(ret);
	return r;
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
