/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/tcp.h"

/* After so many bytes another flow gets its turn. */
#define PUMP_BUDGET (1 << 20)

/* At most so much is taken into a pipe at once. */
#define SPLICE_MAX PIPE_BYTES

/* A splice that brought less than this was not worth its page references. */
#define BULK_MIN (16 * 1024)

struct residue {
	uint32_t at, len;
	char data[];
};

int splice_init(struct splice *s)
{
	*s = (struct splice){ .buffer = malloc(SPLICE_BUFFER) };
	bounds_init(&s->bounds);
	return s->buffer ? 0 : -ENOMEM;
}

void splice_done(struct splice *s)
{
	pipe_pool_done(&s->pipes);
	free(s->buffer);
}

void flow_init(struct flow *f, int from, int to)
{
	*f = (struct flow){
		.from = from,
		.to = to,
		.writable = true,
		.urgent_byte = -1,
		.proven_at = UINT64_MAX,
		.pipe = { -1, -1, false },
	};
}

void flow_done(struct splice *s, struct flow *f)
{
	bounds_done(&s->bounds, f);
	pipe_pool_drop(&s->pipes, &f->pipe);
	free(f->residue);
	f->residue = NULL;
}

/* Returns bytes sent, 0 when the target is full, -errno when it is broken. */
static ssize_t send_some(struct flow *f, const void *data, size_t len, int flags)
{
	ssize_t n = send(f->to, data, len, MSG_NOSIGNAL | MSG_DONTWAIT | flags);

	/*
	 * Our memory does not fault. Bytes that a sockmap passed on `to` make its
	 * sk_forward_alloc negative, and where TCP's memory is short (tcp_mem)
	 * tcp_wmem_schedule() takes that for a length. It is writable as before.
	 */
	if (n < 0 && errno == EFAULT)
		return 0;
	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n < (ssize_t)len)
		f->writable = false;
	if (n < 0)
		return 0;
	f->bytes += (uint64_t)n;
	return n;
}

static int flush_residue(struct flow *f)
{
	struct residue *r = f->residue;
	ssize_t n;

	n = send_some(f, r->data + r->at, r->len - r->at, 0);
	if (n < 0)
		return (int)n;
	r->at += (uint32_t)n;
	if (r->at < r->len)
		return 0;
	free(r);
	f->residue = NULL;
	return 1;
}

static int flush_pipe(struct splice *s, struct flow *f)
{
	while (f->in_pipe) {
		ssize_t n = splice(f->pipe.rd, NULL, f->to, NULL, f->in_pipe,
				   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0) {
			f->writable = false;
			return 0;
		}
		f->in_pipe -= (uint32_t)n;
		f->bytes += (uint64_t)n;
	}
	pipe_pool_put(&s->pipes, &f->pipe);
	return 1;
}

/* Returns 1 when nothing waits to be written, 0 when the target is full. */
static int flush(struct splice *s, struct flow *f)
{
	char byte = (char)f->urgent_byte;
	int r = 1;

	if (!f->writable)
		return 0;
	if (f->waits_low) {
		f->waits_low = false;
		tcp_low_water(f->to, false);
	}
	if (f->residue)
		r = flush_residue(f);
	if (r > 0 && f->in_pipe)
		r = flush_pipe(s, f);
	if (r > 0 && f->urgent_byte >= 0) {
		r = (int)send_some(f, &byte, 1, MSG_OOB);
		if (r > 0)
			f->urgent_byte = -1;
	}
	return r;
}

/*
 * A read stops at the urgent mark (tcp_recvmsg_locked, tcp_read_sock), and the
 * sockets are SO_OOBINLINE: the first byte behind the mark is the urgent one.
 * So the order stays: what was before it, the byte as urgent, the rest.
 * Returns 1 when there is something to send, or to wait for.
 */
static int cross_mark(struct flow *f)
{
	char byte;
	int at = 0;

	if (ioctl(f->from, SIOCATMARK, &at) < 0 || !at)
		return 0;
	if (recv(f->from, &byte, 1, MSG_DONTWAIT) != 1) {
		f->readable = false; /* it was announced, and is on its way */
		return 1;
	}
	f->urgent = false;
	f->urgent_byte = (unsigned char)byte;
	return 1;
}

static int keep_residue(struct flow *f, const char *data, size_t len)
{
	struct residue *r = malloc(sizeof(*r) + len);

	if (!r)
		return -ENOMEM;
	*r = (struct residue){ .len = (uint32_t)len };
	memcpy(r->data, data, len);
	f->residue = r;
	return 0;
}

/* Where our own memory is short: a pipe's is the kernel's, and holds a buffer. */
static int keep_in_pipe(struct splice *s, struct flow *f, const char *data, size_t len)
{
	ssize_t n = -1;

	if (f->pipe.rd < 0 && pipe_pool_get(&s->pipes, &f->pipe) >= 0)
		n = write(f->pipe.wr, data, len);
	if (n != (ssize_t)len)
		return -ENOMEM;
	f->in_pipe = (uint32_t)n;
	return 0;
}

/* Returns 0, whether all of it found room or not, or -errno. */
static int write_or_keep(struct splice *s, struct flow *f, const char *data, size_t len)
{
	ssize_t sent = send_some(f, data, len, 0);

	if (sent < 0 || sent == (ssize_t)len)
		return sent < 0 ? (int)sent : 0;
	data += sent;
	len -= (size_t)sent;
	return keep_residue(f, data, len) < 0 ? keep_in_pipe(s, f, data, len) : 0;
}

/* Each fill_*() returns the bytes read, 0 for "look again", or -errno. */
static ssize_t fill_by_copy(struct splice *s, struct flow *f)
{
	ssize_t n;
	int r;

	if ((f->urgent || f->at_mark) && cross_mark(f))
		return 0;
	f->at_mark = false;
	n = recv(f->from, s->buffer, SPLICE_BUFFER, MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n < 0) {
		f->readable = false;
		f->bulk = false;
		return 0;
	}
	if (n == 0) {
		f->eof = true;
		return 0;
	}
	f->bulk = n == SPLICE_BUFFER;
	f->at_mark = f->bulk;
	if (f->bulk && !f->was_bulk)
		bounds_bulk(&s->bounds, f);
	/*
	 * A short read emptied the queue, and whatever comes later is a new
	 * edge; unless it was short of a mark, or the end is near.
	 */
	if (!f->bulk && !f->urgent && !f->hangup)
		f->readable = false;
	r = write_or_keep(s, f, s->buffer, (size_t)n);
	return r < 0 ? r : n;
}

static ssize_t fill_by_pipe(struct splice *s, struct flow *f)
{
	ssize_t n;

	if (f->pipe.rd < 0 && pipe_pool_get(&s->pipes, &f->pipe) < 0)
		return fill_by_copy(s, f); /* out of fds: slower, never stuck */
	n = splice(f->from, NULL, f->pipe.wr, NULL, SPLICE_MAX,
		   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	if (n > 0) {
		f->in_pipe = (uint32_t)n;
		f->bulk = n >= BULK_MIN;
		f->at_mark = true; /* perhaps, and its edge is yet to come */
		return n;
	}
	if (n < 0 && errno != EAGAIN) {
		int r = -errno;

		pipe_pool_put(&s->pipes, &f->pipe);
		return r;
	}
	/* at the end of file recv() says so; an urgent mark is EAGAIN as well */
	if (n < 0 && !f->hangup && !f->urgent)
		f->readable = false;
	pipe_pool_put(&s->pipes, &f->pipe);
	f->bulk = false;
	return 0;
}

/*
 * A sender on the shunt fills the target by itself until three quarters are
 * taken. EPOLLOUT comes when two thirds are, and then it would soon be relayed
 * again; so what it has to wait for is a target that has nearly all sent.
 */
static void wait_low(struct flow *f)
{
	if (!f->acks || f->waits_low)
		return;
	f->waits_low = true;
	tcp_low_water(f->to, true);
}

static int pump(struct splice *s, struct flow *f)
{
	size_t moved = 0;
	ssize_t n;
	int r;

	for (;;) {
		r = flush(s, f);
		if (r < 0)
			return r;
		bounds_wait(&s->bounds, f, r == 0);
		if (r == 0) {
			wait_low(f);
			return FLOW_WAITS;
		}
		if (f->eof)
			return FLOW_ENDED;
		if (!f->readable)
			return FLOW_WAITS;
		if (f->bytes >= f->proven_at)
			bounds_proven(&s->bounds, f);
		if (moved >= PUMP_BUDGET)
			return FLOW_MORE;
		n = f->bulk ? fill_by_pipe(s, f) : fill_by_copy(s, f);
		if (n < 0)
			return (int)n;
		moved += (size_t)n;
		f->reads++;
	}
}

ssize_t flow_copy(struct splice *s, struct flow *f, size_t max, bool urgent)
{
	unsigned char *data = s->buffer;
	ssize_t n;
	int r;

	r = flush(s, f);
	if (r <= 0 || !max)
		return r < 0 ? r : 0;
	n = recv(f->from, data, max < SPLICE_BUFFER ? max : SPLICE_BUFFER, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno != EAGAIN ? -errno : 0;
	if (urgent) {
		f->urgent_byte = data[0];
		r = flush(s, f);
	} else {
		r = write_or_keep(s, f, s->buffer, (size_t)n);
	}
	return r < 0 ? r : n;
}

bool flow_was_reset(const struct flow *f)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(f->from, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

bool flow_is_empty(const struct flow *f)
{
	return !f->residue && !f->in_pipe && f->urgent_byte < 0;
}

int flow_pump(struct splice *s, struct flow *f)
{
	int r;

	if (!f->pending)
		return pump(s, f);
	/* before anything is read, and until all of it is written */
	__atomic_store_n(f->pending, 1, __ATOMIC_SEQ_CST);
	r = pump(s, f);
	if (r >= 0 && flow_is_empty(f)) {
		__atomic_store_n(f->pending, 0, __ATOMIC_SEQ_CST);
		if (f->acks)
			tcp_acknowledge(f->from);
	}
	return r;
}
