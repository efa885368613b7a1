/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

int timer_add(struct loop *loop, struct loop_source *source, loop_fn *fn)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = loop_add(loop, source, fd, EPOLLIN, fn);
	if (r < 0)
		fd_close(fd);
	return r;
}

void timer_done(struct loop_source *source)
{
	if (!source->loop)
		return;
	loop_del(source);
	source->fd = fd_close(source->fd);
}

void timer_set(struct loop_source *source, long ms)
{
	timer_set_us(source, ms * 1000);
}

void timer_set_us(struct loop_source *source, long us)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 },
	};

	timerfd_settime(source->fd, 0, &when, NULL);
}

uint64_t timer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool timer_expired(struct loop_source *source)
{
	uint64_t expirations;

	return read(source->fd, &expirations, sizeof(expirations)) > 0;
}
