/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The benchmark's server: one edge-triggered thread for all, except that a
 * connection whose client asked for blocking sockets gets a thread of its
 * own once its header is read, and one that asked for poll waits that way.
 * Datagrams to the same port have a thread too.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "bench.h"
#include "bench_udp.h"
#include "control.h"
#include "modes.h"
#include "sock.h"
#include "util.h"

#define READ_SIZE (128 * 1024)
#define CLOCK_EVERY 32 /* writes */

struct server {
	struct task listener;
	const struct options *o;
	struct driver driver;
	struct control control;
};

struct conn {
	struct task task;
	struct server *server;
	struct bench_header header;
	size_t have; /* of the header, then of the request */
	size_t owed; /* of the response, or of one write */
	size_t answered;
	uint64_t received, until;
	unsigned int writes;
};

static unsigned char *scratch(void)
{
	static __thread unsigned char *buf;

	if (!buf)
		buf = xalloc(READ_SIZE, 1);
	return buf;
}

/* As recv() and send(); 1 with *n set, 0 at the end of it all, -EAGAIN. */
static int conn_read(struct conn *c, void *buf, size_t len, size_t *n)
{
	ssize_t r = recv(c->task.fd, buf, len, 0);

	if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->task.events = EPOLLIN;
		return -EAGAIN;
	}
	*n = r > 0 ? (size_t)r : 0;
	return r > 0;
}

static int conn_write(struct conn *c, const void *buf, size_t len, size_t *n)
{
	ssize_t r = send(c->task.fd, buf, len, MSG_NOSIGNAL);

	if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->task.events = EPOLLOUT;
		return -EAGAIN;
	}
	*n = r > 0 ? (size_t)r : 0;
	return r > 0;
}

static int step_up(struct conn *c)
{
	size_t n = 0;
	int r;

	r = conn_read(c, scratch(), READ_SIZE, &n);
	c->received += n;
	if (r == 0) /* eight bytes into an empty queue: they fit */
		send(c->task.fd, &c->received, sizeof(c->received), MSG_NOSIGNAL);
	return r;
}

static int step_down(struct conn *c)
{
	size_t n = 0;
	int r;

	if (!c->owed) {
		if (c->writes++ % CLOCK_EVERY == 0 && now_ns() >= c->until)
			return 0;
		c->owed = c->header.write_size;
	}
	r = conn_write(c, bench_noise(), c->owed, &n);
	c->owed -= n;
	return r;
}

static int step_answer(struct conn *c)
{
	size_t n = 0;
	int r;

	if (c->owed) {
		r = conn_write(c, bench_noise(), c->owed, &n);
		c->owed -= n;
		if (r > 0 && !c->owed && c->header.kind == BENCH_CRR)
			return 0;
		return r;
	}
	r = conn_read(c, scratch(), c->header.request - c->have, &n);
	c->have += n;
	if (c->have == c->header.request) {
		c->have = 0;
		c->owed = c->header.response;
	}
	return r;
}

static int serve(struct conn *c)
{
	switch (c->header.kind) {
	case BENCH_UP:
		return step_up(c);
	case BENCH_DOWN:
		return step_down(c);
	default:
		return step_answer(c);
	}
}

/*
 * The rest of a connection on a thread: blocking, or asking poll() before
 * each call.
 */
static void *conn_thread(void *arg)
{
	struct conn *c = arg;
	bool ask = c->header.io == IO_POLL;
	struct pollfd pfd = { .fd = c->task.fd };
	int r;

	do {
		r = serve(c);
		if (!ask || !r)
			continue;
		pfd.events = c->header.kind == BENCH_DOWN || c->owed ? POLLOUT : POLLIN;
		poll(&pfd, 1, -1);
	} while (r);
	close(c->task.fd);
	free(c);
	return NULL;
}

static void to_thread(struct conn *c)
{
	struct conn *copy = xalloc(1, sizeof(*copy));
	pthread_t thread;

	*copy = *c;
	epoll_ctl(c->server->driver.epoll_fd, EPOLL_CTL_DEL, c->task.fd, NULL);
	sock_set_blocking(c->task.fd, c->header.io == IO_BLOCKING);
	c->task.fd = -1;
	if (pthread_create(&thread, NULL, conn_thread, copy))
		die("cannot start a thread for a connection");
	pthread_detach(thread);
}

static int read_header(struct conn *c)
{
	struct bench_header *h = &c->header;
	const int on = 1;
	size_t n;
	int r;

	r = conn_read(c, (char *)h + c->have, sizeof(*h) - c->have, &n);
	if (r <= 0)
		return r;
	c->have += n;
	if (c->have < sizeof(*h))
		return 1;
	c->have = 0;
	c->until = now_ns() + h->ms * 1000000ull;
	if (h->magic != BENCH_MAGIC || h->write_size > BENCH_NOISE_MAX ||
	    h->response > BENCH_NOISE_MAX || h->request > READ_SIZE || !h->request)
		die("a client sent a header that is not ours");
	if (h->nodelay)
		setsockopt(c->task.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (h->io != IO_EPOLL && h->kind != BENCH_CRR) {
		to_thread(c);
		return 0;
	}
	return 1;
}

static int conn_step(struct task *task)
{
	struct conn *c = (struct conn *)task;

	return c->until ? serve(c) : read_header(c);
}

static void conn_done(struct task *task)
{
	fd_close(task->fd);
	free(task);
}

static int accept_step(struct task *task)
{
	struct server *s = (struct server *)task;
	struct conn *c;
	int fd;

	fd = sock_accept(task->fd, s->o, IO_EPOLL, 0);
	if (fd == -EAGAIN)
		return fd;
	if (fd < 0)
		die("accept: %s", strerror(-fd));
	c = xalloc(1, sizeof(*c));
	c->server = s;
	c->task = (struct task){ .fd = fd, .step = conn_step, .done = conn_done };
	drive_add(&s->driver, &c->task);
	return 1;
}

static void control_line(const char *line, void *arg)
{
	die("stdin says \"%s\": the bench server takes no commands", line);
}

static void control_eof(void *arg)
{
	drive_stop(&((struct server *)arg)->driver);
}

int bench_server(const struct options *o)
{
	struct server s = { .o = o };
	struct listeners l;

	bench_noise();
	drive_init(&s.driver, IO_EPOLL);
	if (o->port) /* before the port is told to be ready */
		bench_udp_serve(o, o->port);
	l = sock_listen(o);
	s.listener = (struct task){ .fd = l.fds[0], .step = accept_step };
	drive_add(&s.driver, &s.listener);
	s.control = (struct control){ .line = control_line, .eof = control_eof, .arg = &s };
	if (o->control)
		control_add(&s.driver, &s.control);
	watchdog_expect("the end of the bench");
	drive_run(&s.driver);
	return 0;
}
