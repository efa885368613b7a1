/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients, each with a socket, of a udp-echo server. Says "holding N" and
 * does what it is told on stdin, one command at a time:
 *
 *   ping MS        a datagram from each, and its echo; waits until all have
 *                  answered or were refused, or none has for MS
 *                                         answered N, silent M, refused K
 *   send           a datagram from each, no wait                  sent N
 *   listen MS [N]  what comes, until N have heard something or nothing
 *                  has come for MS                               heard N
 *   close N        closes the N oldest                           closed N
 *
 * The end of stdin is the end.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modes.h"
#include "udp.h"
#include "util.h"

/* So many datagrams on their way at once: a socket's queue holds them. */
#define PINGS_MAX 64

struct holder {
	unsigned int n, first; /* those from first to n are open */
	int *fds;
	bool *heard, *told;
	int epoll_fd;
	unsigned int answered, refused;
	unsigned int done; /* so many were answered or refused, or both */
};

static void is_told(struct holder *h, unsigned int i)
{
	h->done += !h->told[i];
	h->told[i] = true;
}

static void note(struct holder *h, unsigned int i)
{
	char buf[64];

	if (recv(h->fds[i], buf, sizeof(buf), MSG_DONTWAIT) >= 0) {
		h->answered += !h->heard[i];
		h->heard[i] = true;
	} else if (errno == ECONNREFUSED) {
		h->refused++;
	} else {
		return;
	}
	is_told(h, i);
}

/* Returns false when nothing came for @ms. */
static bool hear(struct holder *h, int ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(h->epoll_fd, events, 64, ms);

	for (int i = 0; i < n; i++)
		note(h, events[i].data.u32);
	return n > 0;
}

static bool emit(struct holder *h, unsigned int i)
{
	if (send(h->fds[i], &i, sizeof(i), 0) > 0)
		return true;
	/* it was the answer to what was sent before */
	if (errno != ECONNREFUSED)
		die_errno("send");
	h->refused++;
	return send(h->fds[i], &i, sizeof(i), 0) > 0;
}

static void clear(struct holder *h)
{
	h->answered = h->refused = h->done = 0;
	memset(h->heard, 0, h->n * sizeof(*h->heard));
	memset(h->told, 0, h->n * sizeof(*h->told));
}

static void ping(struct holder *h, int ms)
{
	unsigned int sent = 0, count = h->n - h->first;

	clear(h);
	for (unsigned int i = h->first; i < h->n; i++) {
		emit(h, i);
		sent++;
		while (sent - h->done >= PINGS_MAX && hear(h, ms))
			;
	}
	while (h->done < count && hear(h, ms))
		;
	say("answered %u, silent %u, refused %u", h->answered, count - h->answered, h->refused);
}

static void obey(struct holder *h, const char *line)
{
	unsigned int value, count = UINT_MAX, done = 0;

	clear(h);
	if (sscanf(line, "ping %u", &value) == 1) {
		ping(h, (int)value);
	} else if (strcmp(line, "send") == 0) {
		for (unsigned int i = h->first; i < h->n; i++)
			done += emit(h, i);
		say("sent %u", done);
	} else if (sscanf(line, "listen %u %u", &value, &count) >= 1) {
		while (h->answered < count && hear(h, (int)value))
			;
		say("heard %u", h->answered);
	} else if (sscanf(line, "close %u", &value) == 1) {
		for (; done < value && h->first < h->n; done++)
			close(h->fds[h->first++]);
		say("closed %u", done);
	} else {
		die("stdin says \"%s\"", line);
	}
}

int udp_hold_client(const struct options *o)
{
	struct holder h = { .n = o->connections };
	struct epoll_event ev = { .events = EPOLLIN };
	char line[64];

	h.fds = xalloc(h.n, sizeof(*h.fds));
	h.heard = xalloc(h.n, sizeof(*h.heard));
	h.told = xalloc(h.n, sizeof(*h.told));
	h.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < h.n; i++) {
		h.fds[i] = udp_connected(o, i);
		ev.data.u32 = i;
		if (epoll_ctl(h.epoll_fd, EPOLL_CTL_ADD, h.fds[i], &ev) < 0)
			die_errno("epoll_ctl");
	}
	say("holding %u", h.n);
	watchdog_expect("a command");
	while (read_line(line, sizeof(line)))
		obey(&h, line);
	return 0;
}
