/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs tasks, each of them a socket and what to do with it next, in the way
 * that --blocking, --poll or --epoll asks for: a thread for each task, or one
 * thread with level-triggered or with edge-triggered epoll.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "options.h"

struct task {
	int fd;
	/* what step() waits for after -EAGAIN: EPOLLIN, EPOLLOUT, both, or 0 */
	uint32_t events;
	/*
	 * step - do one piece of work. Returns 1 to be called again, 0 when
	 * the task is over, -EAGAIN to wait (never when the socket blocks).
	 */
	int (*step)(struct task *task);
	/* called once after step() returned 0; may free the task; or NULL */
	void (*done)(struct task *task);
	bool is_background; /* drive_run() does not wait for its end */

	/* the rest is the driver's */
	struct driver *driver;
	uint32_t watched;
	bool is_watched, is_ready, is_timed;
	uint64_t wake_at;
	TAILQ_ENTRY(task) ready;
	LIST_ENTRY(task) timed;
};

struct driver {
	enum io io;
	int epoll_fd;
	unsigned int live;
	bool stop;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	TAILQ_HEAD(task_list, task) ready;
	LIST_HEAD(, task) timed;
};

void drive_init(struct driver *d, enum io io);

/* drive_add - the task's fd must fit: O_NONBLOCK unless io is IO_BLOCKING. */
void drive_add(struct driver *d, struct task *task);

/*
 * drive_close - close the fd of a task that goes on: step() is called again,
 * and may put another fd in task->fd and tell it with drive_refd().
 */
void drive_close(struct task *task);
void drive_refd(struct task *task);

/* drive_kick - call step() although nothing happened on the fd; epoll only. */
void drive_kick(struct task *task);

/* drive_wake_at - call step() at this time (now_ns()); 0: not any more. Epoll only. */
void drive_wake_at(struct task *task, uint64_t at);

/* drive_run - until no task is left or drive_stop(). */
void drive_run(struct driver *d);
void drive_stop(struct driver *d);
