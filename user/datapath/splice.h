/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The splice datapath: one flow, that is one direction of a connection, from
 * a socket of ours to another. Small messages are copied through one buffer
 * of the process, bulk goes through a pipe without being copied.
 */
#pragma once

#include <stdbool.h>
#include <linux/types.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/bounds.h"
#include "datapath/pipe_pool.h"

/* Shared by every flow of a process. */
struct splice {
	struct pipe_pool pipes;
	struct bounds bounds;
	void *buffer; /* SPLICE_BUFFER bytes; empty between two calls */
};

#define SPLICE_BUFFER (64 * 1024)

struct residue;

struct flow {
	int from, to;	/* sockets, non-blocking, owned by the pair */
	bool readable;	/* an edge came and no EAGAIN since */
	bool writable;
	bool urgent;	/* EPOLLPRI: an urgent mark is to be crossed */
	bool at_mark;	/* the last read may have stopped at a mark */
	bool bulk;	/* the last read was large: splice the next one */
	bool was_bulk;	/* at least once */
	/* bounds.h */
	bool is_shared;	 /* `to`: the shunt or sockmap sends to it as well */
	bool is_bound;	 /* `to`: in what may wait unsent */
	bool is_waiting; /* for `to` */
	bool is_proven;	 /* `from` may have more than the least waiting */
	bool hangup;	/* EPOLLRDHUP: the end of file is there or near */
	bool acks;	/* the sender's queue is short: it waits for each ACK */
	bool waits_low;	/* for `to` to be nearly empty, not only writable */
	bool eof;	/* recv() returned 0: nothing more will come */
	int16_t urgent_byte; /* read, not yet sent; -1: none */
	uint32_t in_pipe;
	struct pipe_pair pipe;
	struct residue *residue; /* what did not fit after a copy; heap */
	uint64_t bytes;	/* that were written to `to` */
	uint64_t proven_at; /* so many show that its reader has not stopped early */
	uint32_t reads; /* how often `from` had something */
	__u64 *pending; /* the shunt's word for this flow; NULL: not on it */
};

enum flow_state {
	FLOW_WAITS, /* until the next edge on one of the two sockets */
	FLOW_MORE,  /* it stopped for fairness: call again */
	FLOW_ENDED, /* end of file was read and all before it is written */
};

/* splice_init - Returns 0 or -ENOMEM. */
int splice_init(struct splice *s);
void splice_done(struct splice *s);

void flow_init(struct flow *f, int from, int to);

/*
 * flow_was_reset - an end of file that was a reset: a send that was redirected
 * to `from` may have taken the error with it. Only to be asked while nothing
 * has shut `from` down: then only a reset closes it (tcp(7), TCP_CLOSE).
 */
bool flow_was_reset(const struct flow *f);

/* flow_is_empty - has all that was read been written? */
bool flow_is_empty(const struct flow *f);

/* flow_done - bytes that were not written are dropped. */
void flow_done(struct splice *s, struct flow *f);

/*
 * flow_pump - move what can be moved.
 * Returns an enum flow_state, or -errno when one of the sockets failed
 * (-ECONNRESET, -EPIPE, -ETIMEDOUT…): the connection is broken and its other
 * side should learn it by a reset.
 */
int flow_pump(struct splice *s, struct flow *f);

/*
 * flow_copy - the same for sockets of which splice(2) and SIOCATMARK do not
 * know what waits: at most @max bytes, after all that was read is written;
 * @urgent: one byte, that is sent as urgent. Returns what was read or -errno.
 */
ssize_t flow_copy(struct splice *s, struct flow *f, size_t max, bool urgent);
