/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

/* A task that never runs dry lets the others in after so many steps. */
#define STEPS_IN_A_ROW 16
#define THREAD_STACK (256 * 1024)

void drive_init(struct driver *d, enum io io)
{
	*d = (struct driver){ .io = io, .epoll_fd = -1 };
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->ended, NULL);
	TAILQ_INIT(&d->ready);
	LIST_INIT(&d->timed);
	if (io == IO_BLOCKING)
		return;
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll_fd < 0)
		die_errno("epoll_create1");
}

static void task_over(struct task *task)
{
	struct driver *d = task->driver;
	bool counts = !task->is_background;

	if (task->is_ready)
		TAILQ_REMOVE(&d->ready, task, ready);
	if (task->is_timed)
		LIST_REMOVE(task, timed);
	task->is_ready = task->is_timed = false;
	if (task->done)
		task->done(task);
	pthread_mutex_lock(&d->lock);
	d->live -= counts;
	pthread_cond_broadcast(&d->ended);
	pthread_mutex_unlock(&d->lock);
}

static void *thread_main(void *arg)
{
	struct task *task = arg;
	int r;

	do {
		r = task->step(task);
	} while (r > 0);
	if (r < 0)
		die("a blocking step returned %s", errno_name(-r));
	task_over(task);
	return NULL;
}

static void thread_start(struct task *task)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, thread_main, task);
	if (r)
		die("cannot start a thread: %s", strerror(r));
	pthread_attr_destroy(&attr);
}

static void watch(struct task *task)
{
	struct driver *d = task->driver;
	struct epoll_event ev = { .data.ptr = task };

	if (task->fd < 0)
		return;
	if (d->io == IO_EPOLL)
		ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	else
		ev.events = task->events;
	if (task->is_watched && task->watched == ev.events)
		return;
	if (!ev.events) { /* not even EPOLLHUP, which would come for ever */
		if (task->is_watched)
			epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, task->fd, NULL);
		task->is_watched = false;
		return;
	}
	if (epoll_ctl(d->epoll_fd, task->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		      task->fd, &ev) < 0)
		die_errno("epoll_ctl on fd %d", task->fd);
	task->is_watched = true;
	task->watched = ev.events;
}

void drive_add(struct driver *d, struct task *task)
{
	task->driver = d;
	task->is_watched = task->is_ready = task->is_timed = false;
	pthread_mutex_lock(&d->lock);
	d->live += !task->is_background;
	pthread_mutex_unlock(&d->lock);
	if (d->io == IO_BLOCKING) {
		thread_start(task);
		return;
	}
	watch(task);
	drive_kick(task);
}

void drive_close(struct task *task)
{
	close(task->fd);
	task->fd = -1;
	task->is_watched = false;
}

void drive_refd(struct task *task)
{
	if (task->driver->io != IO_BLOCKING)
		watch(task);
}

void drive_kick(struct task *task)
{
	if (task->driver->io == IO_BLOCKING || task->is_ready)
		return;
	task->is_ready = true;
	TAILQ_INSERT_TAIL(&task->driver->ready, task, ready);
}

void drive_wake_at(struct task *task, uint64_t at)
{
	if (task->driver->io == IO_BLOCKING)
		return;
	if (task->is_timed)
		LIST_REMOVE(task, timed);
	task->is_timed = at != 0;
	task->wake_at = at;
	if (at)
		LIST_INSERT_HEAD(&task->driver->timed, task, timed);
}

/* Kicks the tasks whose time has come. Returns ms until the next one, or -1. */
static int wake_timed(struct driver *d)
{
	uint64_t now, next = UINT64_MAX;
	struct task *t, *t_next;

	if (LIST_EMPTY(&d->timed))
		return -1;
	now = now_ns();
	for (t = LIST_FIRST(&d->timed); t; t = t_next) {
		t_next = LIST_NEXT(t, timed);
		if (t->wake_at <= now) {
			drive_wake_at(t, 0);
			drive_kick(t);
		} else if (t->wake_at < next) {
			next = t->wake_at;
		}
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static void run_task(struct driver *d, struct task *task)
{
	int steps = d->io == IO_EPOLL ? STEPS_IN_A_ROW : 1;
	int r;

	do {
		r = task->step(task);
	} while (r > 0 && --steps);
	if (r == 0) {
		task_over(task);
		return;
	}
	if (d->io == IO_POLL)
		watch(task);
	if (r > 0 && (d->io == IO_EPOLL || !task->is_watched))
		drive_kick(task);
}

static void run_ready(struct driver *d)
{
	struct task *task, *last = TAILQ_LAST(&d->ready, task_list);

	while (!d->stop && (task = TAILQ_FIRST(&d->ready))) {
		TAILQ_REMOVE(&d->ready, task, ready);
		task->is_ready = false;
		run_task(d, task);
		if (task == last)
			break;
	}
}

static void run_epoll(struct driver *d)
{
	struct epoll_event events[256];
	int i, n, timeout;

	while (d->live && !d->stop) {
		timeout = wake_timed(d);
		if (!TAILQ_EMPTY(&d->ready))
			timeout = 0;
		n = epoll_wait(d->epoll_fd, events, 256, timeout);
		if (n < 0 && errno != EINTR)
			die_errno("epoll_wait");
		for (i = 0; i < n; i++)
			drive_kick(events[i].data.ptr);
		run_ready(d);
	}
}

void drive_run(struct driver *d)
{
	if (d->io != IO_BLOCKING) {
		run_epoll(d);
		return;
	}
	pthread_mutex_lock(&d->lock);
	while (d->live && !d->stop)
		pthread_cond_wait(&d->ended, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

void drive_stop(struct driver *d)
{
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_broadcast(&d->ended);
	pthread_mutex_unlock(&d->lock);
}
