/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that does nothing but shunt_walk(), in the network namespace that
 * it was started in. On its way the kernel takes the lock of every socket
 * there is (bpf_iter_tcp_seq_show), strangers' too, and a lock is held for as
 * long as its owner likes: recv(2) into memory whose pages a FUSE of his own
 * has to bring. A walk that meets it hangs, and not even SIGKILL ends that; in
 * a process of its own it keeps nobody from anything but walks.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "datapath/shunt.h"

struct walker {
	pid_t pid;
	int fd; /* a socket to it, the caller's; -1: none */
};

/* walker_start - it ends when the other ends of @w->fd are closed, or with the caller. 0 or -errno. */
int walker_start(struct walker *w, const struct shunt_tools *tools);

/* Far more CPU than a walk takes, in ms: what is above it is no answer. */
#define WALKER_MS_MAX 60000

/*
 * walker_answer_decode - an answer of @len bytes at @data: the ms that shunt_walk() took,
 * at most WALKER_MS_MAX, or -errno, in *ret. Pure. Returns 0 or -EBADMSG.
 */
int walker_answer_decode(const void *data, size_t len, int *ret);

/*
 * walker_ask - one walk, without waiting: 0, -EAGAIN or -EPIPE.
 * walker_answer - of a walk that was asked for: 0 with what shunt_walk()
 * returned; -EAGAIN: it is not over; -EPIPE: the walker is gone; or -EBADMSG: what it
 * says makes no sense.
 */
int walker_ask(int fd);
int walker_answer(int fd, int *ret_result);

/*
 * walker_end - let it end, wait a moment for that, and reap it; harmless when
 * there is none. One that hangs is left to whoever reaps orphans.
 */
void walker_end(struct walker *w);
