/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between bpf/sockmap.bpf.c and user/datapath/sockmap.c.
 *
 * A connection has a slot: `sockets` holds A at 2 * slot and B behind it, and
 * `flows` describes at the same index what comes in from that socket. So the
 * target of the flow at @index is the socket at @index ^ 1.
 */
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

#define SOCKMAP_SLOTS 32768

struct sockmap_flow {
	/* written by the verdict, under the lock of the socket that received */
	__u64 redirected; /* bytes for the target's write queue */
	__u64 passed;	  /* bytes left to user space: recv(2) finds them */
	__u64 urgent_at;  /* 1 + what is `passed` before the urgent byte; 0: none */
	__u32 first_seq;  /* the number of the first byte that was seen */
	__u32 target_seq; /* the target's write_seq at the hand-over */
	__u32 urgent_seq; /* the last urgent byte */
	__u32 has_target; /* there is one, and target_seq is set */
	__u8 has_first;
	__u8 spilling; /* passing, until user space has caught up */
	__u8 broken;   /* bytes are missing, or some that came twice are still there */
	__u8 unused[5];
	/* written by user space */
	__u64 moved; /* bytes of `passed` that are written to the target */
};

_Static_assert(sizeof(struct sockmap_flow) == 56, "user space and BPF agree");
