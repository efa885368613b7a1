/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/bounds.h"

#include <sys/socket.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/tcp.h"
#include "datapath/splice.h"

/*
 * What may wait to be read of a sender on this machine, or near, which the
 * kernel doubles: enough for the full rate of one, and for 25 Gbit/s over
 * NEAR_US. Together, those that may have more than LEAST_BYTES have about
 * ALL_BYTES.
 */
#define MOST_BYTES (1 << 20)
#define LEAST_BYTES (64 << 10)
#define ALL_BYTES (32 << 20)
#define NEAR_US 300

/*
 * While so many flows wait for their targets, newcomers are given LEAST_BYTES
 * until PROVEN_BYTES show that their reader has not stopped early.
 */
#define MANY 64
#define PROVEN_BYTES (1 << 20)

/* Unsent in a target; what is sent and not acknowledged is bounded by its reader's window. */
#define UNSENT_BYTES (128 << 10)

void bounds_init(struct bounds *b)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*b = (struct bounds){ .can_hold_near = fd >= 0 && tcp_bound_buffers(fd, MOST_BYTES) };
}

static bool stays_here(int fd)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer);
	struct addr a, b;

	return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
	       getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
	       addr_from_sockaddr(&own, &a, NULL) == 0 &&
	       addr_from_sockaddr(&peer, &b, NULL) == 0 && addr_equal(&a, &b);
}

/*
 * A sender on this machine, or near, needs no window of tens of megabytes
 * (tcp_rmem), to which the kernel's autotuning goes at once when a queue is
 * emptied this fast: all of it would be accepted for a reader that has
 * stopped. Senders from afar keep the autotuning.
 */
static bool is_near(const struct bounds *b, int fd)
{
	return stays_here(fd) || (b->can_hold_near && tcp_rtt(fd) <= NEAR_US);
}

static void bound_unsent(struct flow *f)
{
	bool on = f->was_bulk && !f->is_shared;

	if (on == f->is_bound)
		return;
	f->is_bound = on;
	tcp_bound_unsent(f->to, on ? UNSENT_BYTES : 0);
}

void bounds_proven(struct bounds *b, struct flow *f)
{
	uint32_t each = ALL_BYTES / ++b->n_proven;

	f->proven_at = UINT64_MAX;
	f->is_proven = true;
	tcp_bound_buffers(f->from, each < LEAST_BYTES ? LEAST_BYTES :
				   each < MOST_BYTES  ? each :
							MOST_BYTES);
}

void bounds_bulk(struct bounds *b, struct flow *f)
{
	f->was_bulk = true;
	bound_unsent(f);
	if (!is_near(b, f->from))
		return;
	if (b->n_waiting < MANY) {
		bounds_proven(b, f);
		return;
	}
	tcp_bound_buffers(f->from, LEAST_BYTES);
	f->proven_at = f->bytes + PROVEN_BYTES;
}

void bounds_done(struct bounds *b, struct flow *f)
{
	b->n_proven -= f->is_proven;
	f->is_proven = false;
	bounds_wait(b, f, false);
}

void bounds_wait(struct bounds *b, struct flow *f, bool on)
{
	if (f->is_waiting == on)
		return;
	f->is_waiting = on;
	if (on)
		b->n_waiting++;
	else
		b->n_waiting--;
}

void bounds_connect(const struct bounds *b, int fd)
{
	if (b->n_waiting >= MANY)
		tcp_short_segments(fd);
}

void flow_share_target(struct flow *f, bool on)
{
	f->is_shared = on;
	bound_unsent(f);
}

void flow_bound_again(struct flow *f)
{
	f->is_bound = false;
	bound_unsent(f);
}
