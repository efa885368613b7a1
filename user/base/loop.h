/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll with sources embedded in their owners.
 *
 * One turn has two phases. First every event that epoll returned is added to
 * its source's `pending` and the source is put on the ready list; then the
 * ready list is worked off. A callback may therefore destroy any source, its
 * own and others, with loop_del(): what is not on the list is not called.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

struct loop_source;

/* @events are EPOLL* bits, and 0 when only loop_ready() asked for the call. */
typedef void loop_fn(struct loop_source *source, uint32_t events);

struct loop_source {
	int fd; /* owned by whoever embeds the source */
	uint32_t pending;
	bool is_ready;
	struct loop *loop; /* NULL while not in a loop */
	loop_fn *fn;
	TAILQ_ENTRY(loop_source) ready;
};

struct loop {
	int epoll_fd;
	bool stop;
	TAILQ_HEAD(loop_ready_list, loop_source) ready;
};

/* loop_init - Returns 0 or -errno. */
int loop_init(struct loop *loop);

/* loop_done - the sources are not touched any more. */
void loop_done(struct loop *loop);

/*
 * loop_add - watch @fd for @events (epoll_ctl(2), EPOLLET where wanted) and
 * call @fn. @source must stay where it is until loop_del(). Returns 0 or
 * -errno.
 */
int loop_add(struct loop *loop, struct loop_source *source, int fd,
	     uint32_t events, loop_fn *fn);

/* loop_mod - watch for other events; an edge that is due is reported again. */
int loop_mod(struct loop_source *source, uint32_t events);

/*
 * loop_del - forget the source; harmless when it is in no loop.
 * loop_forget - the same when its fd is closed right after and has no
 * duplicate: the close takes it out of epoll, which saves a system call.
 */
void loop_del(struct loop_source *source);
void loop_forget(struct loop_source *source);

/*
 * loop_ready - call the source again in the next turn although no event came:
 * it stopped for the sake of fairness before its work was done.
 */
void loop_ready(struct loop_source *source);

/*
 * loop_run - until loop_stop(). Returns 0 or -errno.
 * loop_turn - one turn, waiting at most @timeout_ms (-1: for ever, but for
 * log_late()).
 */
int loop_run(struct loop *loop);
int loop_turn(struct loop *loop, int timeout_ms);
void loop_stop(struct loop *loop);
