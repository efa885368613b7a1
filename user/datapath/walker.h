/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that does nothing but shunt_walk() and shunt_rings(), one after the
 * other, in the network namespace that it was started in. On a walk the kernel
 * takes the lock of every socket there is (bpf_iter_tcp_seq_show), strangers'
 * too, and a lock is held for as long as its owner likes: recv(2) into memory
 * whose pages a FUSE of his own has to bring. A walk that meets it hangs, and
 * not even SIGKILL ends that; in a process of its own it keeps nobody from
 * anything but these two.
 */
#pragma once

#include <stdint.h>

#include "datapath/shunt.h"
#include "isolation/child.h"

enum walker_task {
	WALKER_SOCKETS, /* shunt_walk() */
	WALKER_RINGS,	/* shunt_rings() */
};

struct walker_answer {
	uint64_t users; /* RINGS */
	int32_t result; /* what the function returned */
	uint8_t what;	/* enum walker_task */
};

/* walker_start - child_start() of one. Returns 0 or -errno. */
int walker_start(struct child *w, const struct shunt_tools *tools);

/* Far more CPU than either task takes: what is above it is no answer. */
#define WALKER_MS_MAX 60000
#define WALKER_US_MAX (1000 * WALKER_MS_MAX)

/*
 * walker_answer_decode - an answer of @len bytes at @data, copied to *ret: of a
 * known task, with at most WALKER_MS_MAX of a walk, WALKER_US_MAX of the rings,
 * or -errno. Pure. Returns 0, or -EBADMSG with *ret untouched.
 */
int walker_answer_decode(const void *data, size_t len, struct walker_answer *ret);

/*
 * walker_ask - have it do @what, without waiting: 0, -EAGAIN or -EPIPE.
 * walker_answer - to what was asked for first: 0 with @ret set; -EAGAIN: it is
 * not over; -EPIPE, the walker is gone; or -EBADMSG: what it says makes no sense.
 */
int walker_ask(int fd, enum walker_task what);
int walker_answer(int fd, struct walker_answer *ret);
