/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways of io_uring(7), one request at a time. On a non-blocking socket it
 * says EAGAIN as send(2) does, and epoll waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ways.h"

#define ENTRIES 64
#define PIPE_SIZE (256 * 1024u)

/* Sends. A capture comes after 32 of them. */
#define EARLY 100

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint64_t number; /* of the last request */
};

static void ring_open(struct end *e)
{
	struct io_uring_params p = { 0 };
	struct ring *ring = calloc(1, sizeof(*ring));
	size_t len;
	char *map;

	if (!ring)
		fail(e, "calloc", ENOMEM);
	ring->fd =
		must(e, "io_uring_setup", (int)syscall(SYS_io_uring_setup, ENTRIES, &p));
	len = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	if (len < p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe))
		len = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
		   IORING_OFF_SQ_RING);
	ring->sqes =
		mmap(NULL, p.sq_entries * sizeof(*ring->sqes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	if (map == MAP_FAILED || ring->sqes == MAP_FAILED)
		fail(e, "mmap-ring", errno);
	ring->sq_tail = (void *)(map + p.sq_off.tail);
	ring->sq_mask = (void *)(map + p.sq_off.ring_mask);
	ring->sq_array = (void *)(map + p.sq_off.array);
	ring->cq_head = (void *)(map + p.cq_off.head);
	ring->cq_tail = (void *)(map + p.cq_off.tail);
	ring->cq_mask = (void *)(map + p.cq_off.ring_mask);
	ring->cqes = (void *)(map + p.cq_off.cqes);
	e->ring = ring;
}

/*
 * The result of the last request, if it is there. Notes that the pages of an
 * earlier one are no longer needed are dropped: nobody writes to them.
 */
static bool take(struct ring *ring, int *ret_result)
{
	unsigned int head = *ring->cq_head;
	struct io_uring_cqe *cqe;
	bool found = false;

	while (head != __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
		cqe = &ring->cqes[head++ & *ring->cq_mask];
		if (cqe->user_data == ring->number &&
		    !(cqe->flags & IORING_CQE_F_NOTIF)) {
			*ret_result = cqe->res;
			found = true;
		}
	}
	__atomic_store_n(ring->cq_head, head, __ATOMIC_RELEASE);
	return found;
}

/* One request to its end. Returns as a system call does. */
static ssize_t request(struct end *e, const struct io_uring_sqe *sqe)
{
	struct ring *ring = e->ring;
	unsigned int tail = *ring->sq_tail, i = tail & *ring->sq_mask, submit = 1;
	int result = 0;

	ring->sqes[i] = *sqe;
	ring->sqes[i].user_data = ++ring->number;
	ring->sq_array[i] = i;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	do {
		must(e, "io_uring_enter",
		     (int)syscall(SYS_io_uring_enter, ring->fd, submit, 1,
				  IORING_ENTER_GETEVENTS, NULL, 0));
		submit = 0;
	} while (!take(ring, &result));
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static ssize_t send_by(struct end *e, uint8_t op, size_t at, size_t len)
{
	struct io_uring_sqe sqe = { .opcode = op,
				    .fd = e->fd,
				    .len = (uint32_t)len,
				    .addr = (uintptr_t)(e->source->map + at),
				    .msg_flags = MSG_NOSIGNAL };

	e->asked = len;
	return request(e, &sqe);
}

static ssize_t uring_send(struct end *e, size_t at, size_t done, size_t size)
{
	return send_by(e, IORING_OP_SEND, at, at_most(size - done, PIPE_SIZE));
}

static ssize_t uring_send_zc(struct end *e, size_t at, size_t done, size_t size)
{
	return send_by(e, IORING_OP_SEND_ZC, at, at_most(size - done, PIPE_SIZE));
}

/* By send(2) until the sender is captured, as a rule, and then by a ring that is new. */
static ssize_t late_send(struct end *e, size_t at, size_t done, size_t size)
{
	if (e->early < EARLY) {
		e->early++;
		e->asked = at_most(size - done, PIPE_SIZE);
		return send(e->fd, e->source->map + at, e->asked, MSG_NOSIGNAL);
	}
	if (!e->ring)
		ring_open(e);
	return uring_send(e, at, done, size);
}

static void ring_and_pipe_open(struct end *e)
{
	ring_open(e);
	must(e, "pipe", pipe2(e->pipe, O_CLOEXEC | O_NONBLOCK));
	must(e, "F_SETPIPE_SZ", fcntl(e->pipe[1], F_SETPIPE_SZ, PIPE_SIZE));
}

static ssize_t splice_by(struct end *e, int from, uint64_t offset, int to, size_t len)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_SPLICE,
				    .splice_fd_in = from,
				    .splice_off_in = offset,
				    .fd = to,
				    .off = UINT64_MAX,
				    .len = (uint32_t)len,
				    .splice_flags = SPLICE_F_NONBLOCK };

	return request(e, &sqe);
}

static ssize_t uring_splice(struct end *e, size_t at, size_t done, size_t size)
{
	ssize_t n;

	if (!e->in_pipe)
		e->in_pipe =
			(size_t)must(e, "uring-splice-file",
				     (int)splice_by(e, e->source->fd, at, e->pipe[1],
						    at_most(size - done, PIPE_SIZE)));
	e->asked = 0;
	n = splice_by(e, e->pipe[0], UINT64_MAX, e->fd, e->in_pipe);
	if (n > 0)
		e->in_pipe -= (size_t)n;
	return n;
}

const struct way uring_ways[] = {
	{ .name = "uring-send", .max = ANY_SIZE, .open = ring_open, .step = uring_send },
	{ .name = "uring-zc", .max = ANY_SIZE, .open = ring_open, .step = uring_send_zc },
	{ .name = "uring-late", .max = ANY_SIZE, .step = late_send },
	{ .name = "uring-splice",
	  .max = ANY_SIZE,
	  .open = ring_and_pipe_open,
	  .step = uring_splice },
	{ .name = NULL },
};
