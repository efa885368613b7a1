/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between bpf/shunt.bpf.c and user/datapath/shunt.c: what lies
 * in the maps, and what the capture program is told and answers.
 */
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

/*
 * Two for each connection that is on the shunt at a time; more connections go
 * on over splice. Per forwarder the kernel takes 3 MiB for the maps.
 */
#define SHUNT_FLOWS_MAX 32768

/*
 * One flow, in an array that user space maps: its index is the slot. A sender
 * is bound to a flow by the flow's id, which is never used twice, so a slot
 * that has a new owner means nothing to the old one's sender.
 */
struct shunt_flow {
	__u64 id;	  /* 0: the slot is free */
	__u64 target;	  /* key of T in `targets` */
	__u64 relay;	  /* key of R in `targets` */
	__u64 pending;	  /* not 0: what was read from R is not yet written to T */
	__u64 redirected; /* bytes that S was to put into T; counted before the push */
	__u32 ask;	  /* of the walk program, which clears it; enum shunt_ask */
	__u32 captured;	  /* set by the capture, to half of the id: S is in `senders` */
	__u32 messages;	  /* writes of S that were redirected */
	__u8 evict;	  /* set by the verdict: S became what is never captured */
	__u8 watched;	  /* 0: nothing is redirected, so that bytes wake the forwarder */
	__u8 long_writes; /* set by the verdict: S writes very much at once */
	__u8 only_drained; /* the capture refuses S while it has unread bytes */
	__u8 corked;	  /* set by the verdict: S has TCP_CORK set */
	__u8 unused[3];
	__u32 begun; /* as redirected, modulo 2^32; counted before `watched` is looked at */
};

_Static_assert(sizeof(struct shunt_flow) == 64, "user space and BPF agree: one cache line");

/* In the storage of each target. */
struct shunt_target {
	__u64 id;   /* of the flow whose bytes it gets */
	__u64 slot; /* where that is */
};

enum shunt_ask {
	SHUNT_ASK_EDGE = 1,   /* wake S: an EPOLLOUT that it would not get */
	SHUNT_ASK_SHRINK = 2, /* shorten its send queue, unless it chose the length */
	SHUNT_ASK_FEW_SEGMENTS = 4, /* of T: that few are in flight at a time */
	SHUNT_ASK_GROW = 8, /* let its send queue be as long as it was */
	SHUNT_ASK_LOOK = 16, /* as EDGE if it waits for one (SOCK_NOSPACE); let it go if it blocks */
	SHUNT_ASK_MANY_SEGMENTS = 32, /* of T: FEW_SEGMENTS is over */
};

/* What became of the sender of a flow. */
enum shunt_capture {
	SHUNT_CAPTURED = 1,
	SHUNT_FOUND,	  /* and waits for the program shunt_admit() */
	SHUNT_NO_FLOW,	  /* the slot is free, or A or B is not in `targets` */
	SHUNT_NO_SENDER,  /* not in this network namespace */
	SHUNT_BLOCKING,	  /* its file has no O_NONBLOCK */
	SHUNT_UNSUITABLE, /* a ULP (kTLS, MPTCP), zero copy, time stamps, or a rate */
	SHUNT_BY_RING,	  /* its user sends over io_uring: bpf/shunt_rings.bpf.c */
	SHUNT_CORKED,	  /* it has TCP_CORK set, and would not get into step */
	SHUNT_UNREAD,	  /* it has unread bytes, and only_drained is set */
	SHUNT_ENDING,	  /* not ESTABLISHED any more: no map takes it */
	SHUNT_REFUSED,	  /* the map did not take it: full, or in another's */
};

/* What shunt_admit() prints for each sender that was found. */
struct shunt_admission {
	__u64 id; /* of its flow */
	__u64 result; /* enum shunt_capture */
};
