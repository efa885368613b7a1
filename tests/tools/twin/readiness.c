/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Non-blocking ends that wait in each of the ways there are. The reader stops
 * until the writer is stuck, again and again: no wake-up may be missing.
 */
#include <sys/epoll.h>
#include <sys/select.h>

#include "end.h"

#define MIB (1024 * 1024)
#define TOTAL (24 * MIB)
#define STOPS (6 * MIB)

static void by_poll(struct end *e, int events)
{
	wait_for(e->fd, events);
}

static void by_select(struct end *e, int events)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(e->fd, &set);
	select(e->fd + 1, events & POLLIN ? &set : NULL, events & POLLOUT ? &set : NULL, NULL, NULL);
}

static void by_edge(struct end *e, int events)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	/* registered before anything was sent, and never touched again */
	do {
		epoll_wait(e->epoll, &event, 1, -1);
	} while (!(event.events & ((uint32_t)events | EPOLLERR | EPOLLHUP)));
}

static void by_level(struct end *e, int events)
{
	struct epoll_event event = { .events = (uint32_t)events };

	epoll_ctl(e->epoll, EPOLL_CTL_MOD, e->fd, &event);
	epoll_wait(e->epoll, &event, 1, -1);
}

static void by_oneshot(struct end *e, int events)
{
	struct epoll_event event = { .events = (uint32_t)events | EPOLLET | EPOLLONESHOT };

	epoll_ctl(e->epoll, EPOLL_CTL_MOD, e->fd, &event);
	epoll_wait(e->epoll, &event, 1, -1);
}

static void use(struct end *e, void (*wait)(struct end *e, int events))
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->fd, &event);
	e->wait = wait;
}

/* Both sides of a bulk, by one way of waiting. */
static void writes(struct end *e)
{
	char answer[6];

	send_stream(e, TOTAL, MIB, send_plainly);
	say(e, "answer: %s", res(get_full(e, answer, sizeof(answer))));
	ended(e);
}

static ssize_t do_stop(struct end *e, char *data, size_t len)
{
	static uint64_t bytes;
	ssize_t n;

	n = recv(e->fd, data, len, 0);
	if (n > 0 && bytes / STOPS < (bytes + (uint64_t)n) / STOPS &&
	    bytes + (uint64_t)n + STOPS <= TOTAL)
		await_stuck(e, e->shared->pid[0], e->shared->pid[0]);
	if (n > 0)
		bytes += (uint64_t)n;
	return n;
}

static void reads(struct end *e)
{
	await_stuck(e, e->shared->pid[0], e->shared->pid[0]);
	recv_stream_by(e, TOTAL, 200000, do_stop);
	say(e, "answer: %s", res(put(e, "thanks", 6)));
}

#define WAY(name)                            \
	static void name##_writes(struct end *e) \
	{                                    \
		use(e, name);                \
		writes(e);                   \
	}                                    \
	static void name##_reads(struct end *e)  \
	{                                    \
		use(e, name);                \
		reads(e);                    \
	}

WAY(by_poll)
WAY(by_select)
WAY(by_edge)
WAY(by_level)
WAY(by_oneshot)

/* Small messages to and fro, each waited for: a lost wake-up would hang. */
static void asks(struct end *e, void (*wait)(struct end *e, int events))
{
	char text[3000] = { 0 };
	int i;

	use(e, wait);
	for (i = 0; i < 2000; i++) {
		size_t len = 1 + (size_t)i * 7 % sizeof(text);

		if (put(e, text, len) != (ssize_t)len || get_full(e, text, len) != (ssize_t)len)
			break;
	}
	say(e, "%d answers", i);
}

static void edge_asks(struct end *e)
{
	asks(e, by_edge);
}

static void edge_answers(struct end *e)
{
	asks(e, by_edge);
	ended(e);
}

static void level_asks(struct end *e)
{
	asks(e, by_level);
}

static void level_answers(struct end *e)
{
	asks(e, by_level);
	ended(e);
}

/* When poll(2) says that there is room, one byte fits; else a loop would spin. */
static void room_is_true(struct end *e)
{
	char data[MIB / 2] = { 0 };
	uint64_t sent = 0, lies = 0;

	while (sent < TOTAL) {
		ssize_t n;

		wait_for(e->fd, POLLOUT);
		n = send(e->fd, data, 1, MSG_NOSIGNAL);
		if (n < 0)
			lies++;
		else
			sent++;
		n = send(e->fd, data, sizeof(data), MSG_NOSIGNAL);
		if (n > 0)
			sent += (uint64_t)n;
	}
	say(e, "room that was none: %llu times", (unsigned long long)lies);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static void reads_and_stops(struct end *e)
{
	char *data = malloc(MIB);
	uint64_t sum = 0;
	ssize_t n;

	await_stuck(e, e->shared->pid[0], e->shared->pid[0]);
	while ((n = get(e, data, MIB)) > 0) {
		if (sum / STOPS < (sum + (uint64_t)n) / STOPS && sum + STOPS < TOTAL)
			await_stuck(e, e->shared->pid[0], e->shared->pid[0]);
		sum += (uint64_t)n;
	}
	say(e, "it came: %s", sum >= TOTAL ? "yes" : "no");
}

const struct kase readiness_cases[] = {
	{ "poll", IN_NONBLOCKING, by_poll_writes, by_poll_reads, NULL },
	{ "select", IN_NONBLOCKING, by_select_writes, by_select_reads, NULL },
	{ "epoll, edges", IN_NONBLOCKING | ALL_FAMILIES, by_edge_writes, by_edge_reads, NULL },
	{ "epoll, level", IN_NONBLOCKING, by_level_writes, by_level_reads, NULL },
	{ "epoll, one shot", IN_NONBLOCKING, by_oneshot_writes, by_oneshot_reads, NULL },
	{ "epoll, edges, messages", IN_NONBLOCKING | ALL_FAMILIES, edge_asks, edge_answers, NULL },
	{ "epoll, level, messages", IN_NONBLOCKING, level_asks, level_answers, NULL },
	{ "poll, room is true", IN_NONBLOCKING, room_is_true, reads_and_stops, NULL },
	{ 0 },
};
