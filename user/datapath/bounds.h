/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may wait in the sockets of a flow that moves bulk. A reader that
 * has stopped is to cost the host little more than without a forwarder, where
 * each byte waits in two sockets and here in four. A flow that moves only
 * small messages is left alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flow;

/* Shared by every flow of a process. */
struct bounds {
	uint32_t n_proven;  /* flows that may have more than the least waiting */
	uint32_t n_waiting; /* flows whose target is full */
	bool can_hold_near; /* net.core.rmem_max leaves room for a neighbour's window */
};

/* bounds_init - needs a socket for a moment. */
void bounds_init(struct bounds *b);

/*
 * bounds_bulk - @f moves bulk for the first time: bound what waits in its
 * `from` to be read, where the sender is so near that it costs no throughput,
 * and what waits in its `to` to be sent.
 * bounds_proven - it has written up to f->proven_at: more may wait now, the
 * less the more such flows there are.
 * bounds_done - it is gone.
 */
void bounds_bulk(struct bounds *b, struct flow *f);
void bounds_proven(struct bounds *b, struct flow *f);
void bounds_done(struct bounds *b, struct flow *f);

/* bounds_wait - does @f wait for its target? */
void bounds_wait(struct bounds *b, struct flow *f, bool on);

/*
 * bounds_connect - before connect(2): while many wait, the peer is to send
 * short segments. On the loopback interface it may queue twenty long ones, of
 * 128 KiB each, from the start (tcp_sndbuf_expand()): most of what a stopped
 * reader costs. They cost bulk a fifth to a quarter of its rate.
 */
void bounds_connect(const struct bounds *b, int fd);

/*
 * flow_share_target - another way than flow_pump() sends to `to` from now on,
 * or (@on false) no longer. What is redirected by BPF waits nowhere but in
 * that queue, which then is as long as the kernel has it.
 */
void flow_share_target(struct flow *f, bool on);

/* flow_bound_again - somebody has set TCP_NOTSENT_LOWAT of `to`: bound it as before. */
void flow_bound_again(struct flow *f);
