/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

static void lines(struct control *c)
{
	char *start = c->buf, *end;

	while ((end = memchr(start, '\n', c->len))) {
		*end = '\0';
		c->line(start, c->arg);
		c->len -= (size_t)(end + 1 - start);
		start = end + 1;
	}
	memmove(c->buf, start, c->len);
	if (c->len == sizeof(c->buf))
		die("a line on stdin is longer than %zu bytes", sizeof(c->buf));
}

static int step(struct task *task)
{
	struct control *c = (struct control *)task;
	struct pollfd pfd = { .fd = task->fd, .events = POLLIN };
	ssize_t n;

	/* Others share the open file: its O_NONBLOCK is not ours to set. */
	if (task->driver->io != IO_BLOCKING && poll(&pfd, 1, 0) == 0)
		return -EAGAIN;
	n = read(task->fd, c->buf + c->len, sizeof(c->buf) - c->len);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0)
		die_errno("read stdin");
	if (n == 0) {
		c->eof(c->arg);
		return 0;
	}
	c->len += (size_t)n;
	lines(c);
	return 1;
}

void control_add(struct driver *d, struct control *c)
{
	c->task = (struct task){
		.fd = STDIN_FILENO,
		.events = EPOLLIN,
		.step = step,
		.is_background = true,
	};
	drive_add(d, &c->task);
}
