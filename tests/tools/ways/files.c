/* SPDX-License-Identifier: Apache-2.0 */
/* The ways that send from a file or from pages: sendfile(2), splice(2), vmsplice(2). */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ways.h"

#define KIB 1024u
#define PIPE_SIZE (256 * KIB)

static ssize_t send_file(struct end *e, size_t at, size_t len)
{
	off_t offset = (off_t)at;

	e->asked = len;
	return sendfile(e->fd, e->source->fd, &offset, len);
}

static ssize_t whole_file(struct end *e, size_t at, size_t done, size_t size)
{
	return send_file(e, at, at_most(size - done, 2048 * KIB));
}

static ssize_t file_64k(struct end *e, size_t at, size_t done, size_t size)
{
	return send_file(e, at, at_most(size - done, 64 * KIB));
}

static ssize_t more_then_file(struct end *e, size_t at, size_t done, size_t size)
{
	size_t header = header_of(size);

	if (done >= header)
		return whole_file(e, at, done, size);
	e->asked = header - done;
	return send(e->fd, e->source->map + at, e->asked, MSG_MORE | MSG_NOSIGNAL);
}

/* As nginx does with tcp_nopush: cork, the header by writev(2), the file. */
static ssize_t writev_then_file(struct end *e, size_t at, size_t done, size_t size)
{
	size_t header = header_of(size);
	struct iovec iov = { (char *)e->source->map + at, header - done };

	if (done >= header)
		return whole_file(e, at, done, size);
	e->asked = header - done;
	return writev(e->fd, &iov, 1);
}

/* ---- more than the file has: its end is what sends the rest ---- */

static void short_file_open(struct end *e)
{
	size_t size = e->cell->size, done = 0;
	ssize_t n;

	e->short_file = must(e, "memfd", memfd_create("short", MFD_CLOEXEC));
	for (; done < size; done += (size_t)n) {
		n = write(e->short_file, e->source->map + done, size - done);
		if (n <= 0)
			fail(e, "memfd", errno);
	}
}

static ssize_t beyond_the_end(struct end *e, size_t at, size_t done, size_t size)
{
	off_t offset = (off_t)done;

	e->asked = size - done;
	return sendfile(e->fd, e->short_file, &offset, size - done + 1024 * KIB);
}

/* ---- through a pipe ---- */

static void pipe_open(struct end *e)
{
	must(e, "pipe", pipe2(e->pipe, O_CLOEXEC | O_NONBLOCK));
	must(e, "F_SETPIPE_SZ", fcntl(e->pipe[1], F_SETPIPE_SZ, PIPE_SIZE));
}

/* On to the socket. What a pipe gives at once is up to the kernel, so a short return
 * means nothing. */
static ssize_t empty_pipe(struct end *e, size_t rest, unsigned int flags)
{
	ssize_t n;

	if (rest == e->in_pipe)
		flags &= ~(unsigned int)SPLICE_F_MORE;
	e->asked = 0;
	n = splice(e->pipe[0], NULL, e->fd, NULL, e->in_pipe, SPLICE_F_NONBLOCK | flags);
	if (n > 0)
		e->in_pipe -= (size_t)n;
	return n;
}

static ssize_t splice_some(struct end *e, size_t at, size_t rest, unsigned int flags)
{
	off_t offset = (off_t)at;

	/* what is in the pipe is what comes next */
	if (!e->in_pipe) {
		e->in_pipe = (size_t)must(e, "splice-file",
					  (int)splice(e->source->fd, &offset, e->pipe[1],
						      NULL, at_most(rest, PIPE_SIZE), 0));
	}
	return empty_pipe(e, rest, flags);
}

static ssize_t splice_plain(struct end *e, size_t at, size_t done, size_t size)
{
	return splice_some(e, at, size - done, 0);
}

static ssize_t splice_more(struct end *e, size_t at, size_t done, size_t size)
{
	return splice_some(e, at, size - done, SPLICE_F_MORE);
}

static ssize_t vmsplice_pages(struct end *e, size_t at, size_t done, size_t size)
{
	struct iovec iov = { (char *)e->source->map + at,
			     at_most(size - done, PIPE_SIZE / 2) };

	if (!e->in_pipe)
		e->in_pipe = (size_t)must(e, "vmsplice",
					  (int)vmsplice(e->pipe[1], &iov, 1, 0));
	return empty_pipe(e, size - done, 0);
}

const struct way file_ways[] = {
	{ .name = "sendfile", .max = ANY_SIZE, .step = whole_file },
	{ .name = "sendfile-64k", .max = ANY_SIZE, .step = file_64k },
	{ .name = "sendfile-cork",
	  .max = ANY_SIZE,
	  .begin = cork,
	  .step = whole_file,
	  .finish = uncork },
	{ .name = "sendfile-more", .max = ANY_SIZE, .step = more_then_file },
	{ .name = "sendfile-nginx",
	  .max = ANY_SIZE,
	  .begin = cork,
	  .step = writev_then_file,
	  .finish = uncork },
	{ .name = "sendfile-eof",
	  .max = 10000000,
	  .open = short_file_open,
	  .step = beyond_the_end,
	  .is_at_start = true },
	{ .name = "splice", .max = ANY_SIZE, .open = pipe_open, .step = splice_plain },
	{ .name = "splice-more",
	  .max = ANY_SIZE,
	  .open = pipe_open,
	  .step = splice_more },
	{ .name = "vmsplice",
	  .max = ANY_SIZE,
	  .open = pipe_open,
	  .step = vmsplice_pages },
	{ .name = NULL },
};
