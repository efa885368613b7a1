/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that follow a plan: sink, source, echo, bulk, half-close, rst, exchange. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control.h"
#include "modes.h"
#include "sock.h"
#include "stream.h"
#include "util.h"

struct transfer {
	struct task listener;
	const struct options *o;
	struct driver driver;
	struct control control;
	struct stream **streams;
	unsigned int n;
};

static void progress(void *arg)
{
	const struct transfer *t = arg;
	unsigned int i;

	fprintf(stderr, "peer: %u of %u connections were made\n", t->n, t->o->connections);
	for (i = 0; i < t->n; i++)
		if (!t->streams[i]->is_over)
			stream_progress(t->streams[i]);
}

static void control_line(const char *line, void *arg)
{
	struct transfer *t = arg;
	unsigned int i;

	if (strcmp(line, "resume") != 0)
		die("stdin says \"%s\", only \"resume\" is known", line);
	for (i = 0; i < t->n; i++)
		stream_resume(t->streams[i]);
}

static void control_eof(void *arg)
{
	struct transfer *t = arg;

	drive_stop(&t->driver);
}

static void add(struct transfer *t, int fd)
{
	struct stream *s = stream_new(fd, t->n, t->o);

	t->streams[t->n++] = s;
	stream_add(&t->driver, s);
}

static int accept_step(struct task *task)
{
	struct transfer *t = (struct transfer *)task;
	int fd = sock_accept(task->fd, t->o, t->o->io, 0);

	if (fd == -EAGAIN)
		return fd;
	if (fd < 0)
		die("accept: %s", strerror(-fd));
	add(t, fd);
	if (t->n < t->o->connections)
		return 1;
	close(task->fd);
	return 0;
}

static void init(struct transfer *t, const struct options *o)
{
	*t = (struct transfer){ .o = o };
	t->streams = xalloc(o->connections, sizeof(*t->streams));
	drive_init(&t->driver, o->io);
	watchdog_detail(progress, t);
	t->control = (struct control){
		.line = control_line,
		.eof = control_eof,
		.arg = t,
	};
}

static int finish(struct transfer *t)
{
	char prefix[32] = "";
	bool good = true;
	unsigned int i;

	watchdog_expect("the end of every stream");
	if (t->o->control)
		control_add(&t->driver, &t->control);
	drive_run(&t->driver);
	for (i = 0; i < t->n; i++) {
		if (t->o->connections > 1)
			snprintf(prefix, sizeof(prefix), "stream %u: ", i);
		good &= stream_report(t->streams[i], prefix);
	}
	return good ? 0 : EXIT_WRONG;
}

int transfer_client(const struct options *o)
{
	struct transfer t;
	unsigned int i;

	init(&t, o);
	for (i = 0; i < o->connections; i++) {
		watchdog_expect("connect");
		add(&t, sock_connected(o, i, o->io, 0));
	}
	return finish(&t);
}

int transfer_server(const struct options *o)
{
	struct transfer t;
	struct listeners l;
	int status;

	init(&t, o);
	watchdog_expect("a client");
	l = sock_listen(o);
	if (l.n != 1)
		die("%s listens on one port, not on %u", o->mode, l.n);
	t.listener = (struct task){ .fd = l.fds[0], .events = EPOLLIN, .step = accept_step };
	drive_add(&t.driver, &t.listener);
	status = finish(&t);
	return t.n == o->connections ? status : EXIT_WRONG;
}
