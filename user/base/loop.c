/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

/* Enough that 64 busy flows are told of in one call. */
#define EVENTS_PER_TURN 128

int loop_init(struct loop *loop)
{
	*loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	TAILQ_INIT(&loop->ready);
	return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_done(struct loop *loop)
{
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int loop_add(struct loop *loop, struct loop_source *source, int fd,
	     uint32_t events, loop_fn *fn)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*source = (struct loop_source){ .fd = fd, .loop = loop, .fn = fn };
	return 0;
}

int loop_mod(struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev) < 0)
		return -errno;
	return 0;
}

void loop_forget(struct loop_source *source)
{
	if (!source->loop)
		return;
	if (source->is_ready)
		TAILQ_REMOVE(&source->loop->ready, source, ready);
	source->is_ready = false;
	source->loop = NULL;
}

void loop_del(struct loop_source *source)
{
	if (source->loop)
		epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	loop_forget(source);
}

void loop_ready(struct loop_source *source)
{
	if (!source->loop || source->is_ready)
		return;
	TAILQ_INSERT_TAIL(&source->loop->ready, source, ready);
	source->is_ready = true;
}

/* Sources that became ready while the list is worked off wait for the next turn. */
static void work_off(struct loop *loop)
{
	struct loop_source barrier = { .loop = loop, .fd = -1 };
	struct loop_source *source;

	/* the last source may be destroyed on the way; the barrier is ours */
	loop_ready(&barrier);
	while ((source = TAILQ_FIRST(&loop->ready)) != &barrier) {
		uint32_t events = source->pending;

		TAILQ_REMOVE(&loop->ready, source, ready);
		source->is_ready = false;
		source->pending = 0;
		source->fn(source, events);
	}
	loop_forget(&barrier);
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int late_ms = log_late_ms();
	int n;

	if (!TAILQ_EMPTY(&loop->ready))
		timeout_ms = 0;
	else if (late_ms >= 0 && (timeout_ms < 0 || timeout_ms > late_ms))
		timeout_ms = late_ms;
	n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		struct loop_source *source = events[i].data.ptr;

		source->pending |= events[i].events;
		loop_ready(source);
	}
	work_off(loop);
	log_late();
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	while (!loop->stop && r >= 0)
		r = loop_turn(loop, -1);
	return r;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
