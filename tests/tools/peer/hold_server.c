/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections and keeps them, and sends every byte back that comes:
 * a client's ping. Says "holding N" when all that were announced are there,
 * and how they ended once they are gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "modes.h"
#include "sock.h"
#include "util.h"

struct server {
	const struct options *o;
	struct driver driver;
	struct control control;
	unsigned int accepted, open, eof, reset;
};

struct conn {
	struct task task;
	struct server *server;
};

struct listener {
	struct task task;
	struct server *server;
};

static void conn_over(struct conn *c, unsigned int *how)
{
	struct server *s = c->server;

	close(c->task.fd);
	++*how;
	s->open--;
	if (!s->open && s->accepted >= s->o->connections)
		drive_stop(&s->driver);
}

static int conn_step(struct task *task)
{
	struct conn *c = (struct conn *)task;
	char buf[256];
	ssize_t n;

	n = recv(task->fd, buf, sizeof(buf), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	/* A few bytes into an empty queue: they always fit. */
	if (n > 0 && send(task->fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		return 1;
	conn_over(c, n == 0 ? &c->server->eof : &c->server->reset);
	return 0;
}

static void conn_done(struct task *task)
{
	free(task);
}

static int accept_step(struct task *task)
{
	struct server *s = ((struct listener *)task)->server;
	int fd = sock_accept(task->fd, s->o, IO_EPOLL, 0);
	struct conn *c;

	if (fd == -EAGAIN)
		return fd;
	if (fd < 0)
		die("accept: %s", strerror(-fd));
	c = xalloc(1, sizeof(*c));
	c->server = s;
	c->task = (struct task){ .fd = fd, .step = conn_step, .done = conn_done };
	drive_add(&s->driver, &c->task);
	s->open++;
	if (++s->accepted == s->o->connections)
		say("holding %u", s->open);
	return 1;
}

static void control_line(const char *line, void *arg)
{
	struct server *s = arg;

	if (strcmp(line, "status") != 0)
		die("stdin says \"%s\", only \"status\" is known", line);
	say("open: %u, eof: %u, reset: %u", s->open, s->eof, s->reset);
}

static void control_eof(void *arg)
{
	drive_stop(&((struct server *)arg)->driver);
}

int hold_server(const struct options *o)
{
	struct server s = { .o = o };
	struct listeners l;
	struct listener *tasks;
	unsigned int i;

	drive_init(&s.driver, IO_EPOLL);
	l = sock_listen(o);
	tasks = xalloc(l.n, sizeof(*tasks));
	for (i = 0; i < l.n; i++) {
		tasks[i].server = &s;
		tasks[i].task = (struct task){ .fd = l.fds[i], .step = accept_step };
		drive_add(&s.driver, &tasks[i].task);
	}
	s.control = (struct control){ .line = control_line, .eof = control_eof, .arg = &s };
	if (o->control)
		control_add(&s.driver, &s.control);
	watchdog_expect("the end of the connections");
	drive_run(&s.driver);
	say("open: %u, eof: %u, reset: %u", s.open, s.eof, s.reset);
	return 0;
}
