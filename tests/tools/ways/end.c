/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of both ends, and how they wait. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/patience.h"
#include "ways.h"

/* So long a wait is looked at apart: a machine that did not run us meanwhile does not
 * count. */
#define SLICE_MS 5

#define LONG_NS 10000000u

#define SLOW_RCVBUF 65536

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void fail(struct end *e, const char *what, int error)
{
	struct outcome *o = e->outcome;
	const char *name;

	if (!o->error_at) {
		o->error_at = now_ns();
		name = strerrorname_np(error < 0 ? -error : error);
		snprintf(o->error, sizeof(o->error), "%s%s%s", what, error ? ":" : "",
			 error ? name ? name : "?" : "");
	}
	_exit(1);
}

int must(struct end *e, const char *what, int r)
{
	if (r < 0)
		fail(e, what, errno);
	return r;
}

void option(struct end *e, const char *what, int level, int name, int value)
{
	must(e, what, setsockopt(e->fd, level, name, &value, sizeof(value)));
}

static void enter(struct end *e, const char *netns)
{
	int fd = must(e, "open-netns", open(netns, O_RDONLY | O_CLOEXEC));

	must(e, "setns", setns(fd, CLONE_NEWNET));
	close(fd);
}

static int socket_make(struct end *e)
{
	int fd = must(e, "socket",
		      socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	int value = SLOW_RCVBUF;

	/* a window is agreed on in the handshake, so this comes before it */
	if (e->cell->is_slow)
		must(e, "SO_RCVBUF",
		     setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)));
	return fd;
}

static void watch(struct end *e, uint32_t events)
{
	struct epoll_event event = { .events = events };

	must(e, "epoll_ctl", epoll_ctl(e->epoll, EPOLL_CTL_MOD, e->fd, &event));
}

static void connected(struct end *e, int fd)
{
	struct epoll_event event = { .events =
					     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	e->fd = fd;
	e->epoll = must(e, "epoll_create", epoll_create1(EPOLL_CLOEXEC));
	if (!e->cell->is_edge)
		event.events = 0;
	must(e, "epoll_ctl", epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &event));
	if (e->cell->is_nodelay)
		option(e, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1);
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

void end_open_server(struct end *e, const char *netns, int port, int ready)
{
	struct sockaddr_in at = loopback(port);
	struct epoll_event event = { .events = EPOLLIN };
	int listener, epoll, on = 1;

	enter(e, netns);
	listener = socket_make(e);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(e, "bind", bind(listener, (struct sockaddr *)&at, sizeof(at)));
	must(e, "listen", listen(listener, 8));
	must(e, "ready", (int)write(ready, "", 1));
	epoll = must(e, "epoll_create", epoll_create1(EPOLL_CLOEXEC));
	must(e, "epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event));
	if (epoll_wait(epoll, &event, 1, PATIENCE_MS * (int)patience()) != 1)
		fail(e, "nobody-connects", 0);
	close(epoll);
	connected(e, must(e, "accept",
			  accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)));
	close(listener);
}

void end_open_client(struct end *e, const char *netns, int port, int ready)
{
	struct sockaddr_in at = loopback(port);
	char byte;
	int fd;

	if (read(ready, &byte, 1) != 1)
		fail(e, "nobody-listens", 0);
	if (netns)
		enter(e, netns);
	fd = socket_make(e);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 && errno != EINPROGRESS)
		fail(e, "connect", errno);
	connected(e, fd);
	wait_room(e);
	e->outcome->room = (struct waits){ 0 };
}

void drop_completions(struct end *e)
{
	char control[256];
	struct msghdr msg = { .msg_control = control };

	do
		msg.msg_controllen = sizeof(control);
	while (recvmsg(e->fd, &msg, MSG_ERRQUEUE) >= 0);
}

static void check_error(struct end *e, uint32_t events)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!(events & EPOLLERR))
		return;
	must(e, "SO_ERROR", getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len));
	if (error)
		fail(e, "connection", error);
	drop_completions(e);
}

static void account(struct waits *w, uint64_t ns)
{
	w->n++;
	w->long_ones += ns >= LONG_NS;
	if (ns > w->longest)
		w->longest = ns;
}

/*
 * In slices: what a slice takes beyond its time and as much again was spent without a
 * CPU, which says something of the machine and nothing of the connection.
 */
static void wait_for(struct end *e, uint32_t wanted, struct waits *w, const char *what)
{
	uint64_t begin = now_ns(), last = begin, slice, ns = 0;
	uint64_t most = 2 * SLICE_MS * 1000000ull;
	struct epoll_event event;
	int r;

	if (!e->cell->is_edge)
		watch(e, wanted | EPOLLRDHUP);
	for (;;) {
		event.events = 0;
		r = epoll_wait(e->epoll, &event, 1, SLICE_MS);
		/* io_uring interrupts to say that pages are free */
		if (r < 0 && errno != EINTR)
			fail(e, "epoll_wait", errno);
		slice = now_ns() - last;
		last += slice;
		ns += slice < most ? slice : most;
		check_error(e, event.events);
		if (event.events &
		    (wanted | EPOLLHUP | (wanted & EPOLLIN ? EPOLLRDHUP : 0)))
			break;
		if (r <= 0 && last - begin > PATIENCE_MS * 1000000ull * patience())
			fail(e, what, 0);
	}
	account(w, ns);
	if (!e->cell->is_edge)
		watch(e, 0);
}

void wait_room(struct end *e)
{
	wait_for(e, EPOLLOUT, &e->outcome->room, "no-EPOLLOUT");
}

void wait_data(struct end *e)
{
	wait_for(e, EPOLLIN, &e->outcome->data, "no-EPOLLIN");
}
