/* SPDX-License-Identifier: Apache-2.0 */
/* The ways that send from memory: send(2) and its kind, with what holds bytes back or
 * does not. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ways.h"

#define KIB 1024u

static ssize_t send_some(struct end *e, size_t at, size_t len, int flags)
{
	e->asked = len;
	return send(e->fd, e->source->map + at, len, flags | MSG_NOSIGNAL);
}

/* ---- pieces of a size, 0 for all at once ---- */

static ssize_t do_send(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, size - done, 0);
}

static ssize_t do_write(struct end *e, size_t at, size_t done, size_t size)
{
	e->asked = size - done;
	return write(e->fd, e->source->map + at, e->asked);
}

static ssize_t send_16k(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, at_most(size - done, 16 * KIB), 0);
}

static ssize_t send_64k(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, at_most(size - done, 64 * KIB), 0);
}

static ssize_t send_100(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, at_most(size - done, 100), 0);
}

static ssize_t send_1k(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, at_most(size - done, KIB), 0);
}

/* All but one byte, and the byte. */
static ssize_t send_tail(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, done < size - 1 ? size - 1 - done : 1, 0);
}

/* ---- a header and a body ---- */

static ssize_t writev_header(struct end *e, size_t at, size_t done, size_t size)
{
	char *data = (char *)e->source->map + at;
	size_t header = header_of(size);
	struct iovec iov[] = { { data, header }, { data + header, size - header } };

	if (done)
		return send_some(e, at, size - done, 0);
	e->asked = size;
	return writev(e->fd, iov, 2);
}

/* Under cork the header comes in two pieces, as nginx's status line and fields may. */
static ssize_t writev_alone(struct end *e, size_t at, size_t done, size_t size)
{
	char *data = (char *)e->source->map + at;
	size_t header = header_of(size);
	struct iovec iov[] = { { data, header / 2 },
			       { data + header / 2, header - header / 2 } };

	if (done)
		return send_some(e, at, at_most(size - done, 64 * KIB), 0);
	e->asked = header;
	return writev(e->fd, iov, 2);
}

static ssize_t more_header(struct end *e, size_t at, size_t done, size_t size)
{
	size_t header = header_of(size);

	return done < header ? send_some(e, at, header - done, MSG_MORE)
			     : send_some(e, at, size - done, 0);
}

/* ---- MSG_MORE ---- */

static ssize_t more_but_last(struct end *e, size_t at, size_t done, size_t size)
{
	size_t len = at_most(size - done, 16 * KIB);

	return send_some(e, at, len, len < size - done ? MSG_MORE : 0);
}

static ssize_t all_more(struct end *e, size_t at, size_t done, size_t size)
{
	return send_some(e, at, at_most(size - done, 16 * KIB), MSG_MORE);
}

static void nodelay_off(struct end *e)
{
	option(e, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 0);
}

static void nodelay_on(struct end *e)
{
	option(e, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1);
}

/* ---- TCP_CORK ---- */

void cork(struct end *e)
{
	option(e, "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1);
}

void uncork(struct end *e)
{
	option(e, "TCP_CORK", IPPROTO_TCP, TCP_CORK, 0);
}

/* ---- MSG_ZEROCOPY ---- */

static void zerocopy_open(struct end *e)
{
	option(e, "SO_ZEROCOPY", SOL_SOCKET, SO_ZEROCOPY, 1);
}

static ssize_t zerocopy(struct end *e, size_t at, size_t done, size_t size)
{
	drop_completions(e);
	return send_some(e, at, at_most(size - done, 256 * KIB), MSG_ZEROCOPY);
}

const struct way plain_ways[] = {
	{ .name = "send", .max = ANY_SIZE, .step = do_send },
	{ .name = "write", .max = ANY_SIZE, .step = do_write },
	{ .name = "send-16k", .max = ANY_SIZE, .step = send_16k },
	{ .name = "send-64k", .max = ANY_SIZE, .step = send_64k },
	{ .name = "send-100", .max = 1000000, .step = send_100 },
	{ .name = "send-1k", .max = 10000000, .step = send_1k },
	{ .name = "send-tail", .max = ANY_SIZE, .step = send_tail },
	{ .name = "writev", .max = ANY_SIZE, .step = writev_header },
	{ .name = "writev-cork",
	  .max = ANY_SIZE,
	  .begin = cork,
	  .step = writev_alone,
	  .finish = uncork },
	{ .name = "more-header", .max = ANY_SIZE, .step = more_header },
	{ .name = "more-16k", .max = ANY_SIZE, .step = more_but_last },
	{ .name = "more-nodelay",
	  .max = ANY_SIZE,
	  .begin = nodelay_off,
	  .step = all_more,
	  .finish = nodelay_on },
	{ .name = "more-uncork", .max = ANY_SIZE, .step = all_more, .finish = uncork },
	{ .name = "cork-16k",
	  .max = ANY_SIZE,
	  .begin = cork,
	  .step = send_16k,
	  .finish = uncork },
	{ .name = "cork-100",
	  .max = 1000000,
	  .begin = cork,
	  .step = send_100,
	  .finish = uncork },
	{ .name = "zerocopy", .max = ANY_SIZE, .open = zerocopy_open, .step = zerocopy },
	{ .name = NULL },
};
