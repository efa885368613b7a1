/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sock.h"
#include "util.h"

#define WATCH_MS 10

static bool ends_early(const struct plan *plan)
{
	return plan->finish == FINISH_CLOSE || plan->finish == FINISH_RST;
}

/* How far the reader goes on its own. */
static uint64_t read_limit(const struct stream *s)
{
	if (ends_early(s->plan))
		return s->plan->read;
	return s->is_resumed ? PEER_UNLIMITED : s->plan->stop_after;
}

/* What the plan wants sent as far as is known now. */
static uint64_t send_target(const struct stream *s)
{
	return stream_echoes(s) ? s->received : s->plan->send;
}

static bool may_send(const struct stream *s)
{
	if (stream_echoes(s))
		return s->received >= PATTERN_SEED_SIZE || s->recv_end;
	switch (s->plan->after) {
	case AFTER_DATA:
		return s->received >= PATTERN_SEED_SIZE || s->recv_end;
	case AFTER_EOF:
		return s->recv_end != END_NOT_YET;
	default:
		return true;
	}
}

/* Whatever is in the queue and nobody reads makes close() send a reset. */
static void wait_for_unread(const struct stream *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int n = (int)s->plan->unread;

	if (!n)
		return;
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)) < 0)
		die_errno("setsockopt SO_RCVLOWAT %d", n);
	watchdog_expect("unread data");
	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
}

/* Under the lock: goes as far towards the end as can be. */
static void try_finish(struct stream *s)
{
	if (s->is_over || s->send_end == END_NOT_YET)
		return;
	if (ends_early(s->plan)) {
		if (s->received < s->plan->read && !s->recv_end)
			return;
		if (!s->recv_end)
			wait_for_unread(s);
	} else {
		if (s->plan->finish == FINISH_SHUTDOWN && !s->is_shut)
			shutdown(s->fd, SHUT_WR);
		s->is_shut = true;
		if (!s->recv_end)
			return;
	}
	s->is_over = true;
	if (s->plan->finish == FINISH_RST)
		sock_close_rst(s->fd);
	else
		close(s->fd);
	pthread_cond_broadcast(&s->changed);
}

/* The seed is there: is it one that may come here? */
static bool seed_is_right(const struct stream *s)
{
	if (s->is_server)
		return pattern_kind(s->in_seed) == PATTERN_CLIENT;
	if (pattern_kind(s->in_seed) == PATTERN_ANSWER)
		return s->in_seed == pattern_answer(s->out_seed);
	if (s->plan->echo)
		return s->in_seed == s->out_seed;
	return pattern_kind(s->in_seed) == PATTERN_FIRST;
}

static void check(struct stream *s, const unsigned char *buf, size_t len)
{
	size_t n, skip = 0;

	if (s->received < PATTERN_SEED_SIZE) {
		skip = PATTERN_SEED_SIZE - (size_t)s->received;
		skip = len < skip ? len : skip;
		memcpy((unsigned char *)&s->in_seed + s->received, buf, skip);
		if (s->received + skip == PATTERN_SEED_SIZE && !seed_is_right(s))
			s->wrong_at = 0;
	}
	n = pattern_check(s->in_seed, s->received + skip, buf + skip, len - skip);
	if (n < len - skip && s->wrong_at < 0)
		s->wrong_at = (int64_t)(s->received + skip + n);
	sum_add(&s->received_sum, buf, len);
	s->received += len;
}

static size_t pick(const struct range *r, uint64_t *random)
{
	uint64_t min = r->min, max = r->max;

	/* Each power of two alike: small and large ones both come up. */
	while (max > 2 * min && random_next(random) % 2)
		max /= 2;
	return (size_t)(min + random_next(random) % (max - min + 1));
}

static unsigned char *read_buffer(const struct plan *plan)
{
	static __thread unsigned char *buf;

	if (!buf)
		buf = xalloc(plan->read_size.max, 1);
	return buf;
}

static void pause_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };

	while (nanosleep(&ts, &ts) < 0)
		;
}

static void note_gap(struct stream *s)
{
	uint64_t now = now_ns();

	if (s->came_at && now - s->came_at > s->longest_gap)
		s->longest_gap = now - s->came_at;
	s->came_at = now;
}

static void got(struct stream *s, ssize_t n, const unsigned char *buf, int e)
{
	pthread_mutex_lock(&s->lock);
	note_gap(s);
	if (n > 0)
		check(s, buf, (size_t)n);
	else
		s->recv_end = n == 0 ? END_EOF : e;
	pthread_cond_broadcast(&s->changed);
	try_finish(s);
	pthread_mutex_unlock(&s->lock);
}

/* Returns 1 after a read, 0 when there is nothing to read any more, -EAGAIN. */
static int recv_step(struct stream *s)
{
	unsigned char *buf = read_buffer(s->plan);
	uint64_t left;
	size_t size;
	ssize_t n;

	if (s->recv_end || s->is_over)
		return 0;
	left = read_limit(s) - s->received;
	if (!left)
		return ends_early(s->plan) ? 0 : -EAGAIN;
	size = pick(&s->plan->read_size, &s->read_random);
	n = recv(s->fd, buf, size < left ? size : (size_t)left, 0);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	got(s, n, buf, errno);
	if (s->plan->read_pause_ms)
		pause_ms(s->plan->read_pause_ms);
	return 1;
}

static void choose_seed(struct stream *s)
{
	if (stream_echoes(s))
		s->out_seed = s->in_seed;
	else if (s->is_server && s->plan->after != AFTER_NOW && s->received >= PATTERN_SEED_SIZE)
		s->out_seed = pattern_answer(s->in_seed);
}

static void next_chunk(struct stream *s)
{
	uint64_t left = send_target(s) - s->sent;

	if (!s->sent)
		choose_seed(s);
	if (!s->chunk)
		s->chunk = xalloc(s->plan->write_size.max, 1);
	s->chunk_size = pick(&s->plan->write_size, &s->write_random);
	if (s->chunk_size > left)
		s->chunk_size = (size_t)left;
	s->chunk_left = s->chunk_size;
	pattern_fill(s->out_seed, s->sent, s->chunk, s->chunk_size);
}

static void send_over(struct stream *s, int end)
{
	pthread_mutex_lock(&s->lock);
	s->send_end = end;
	try_finish(s);
	pthread_mutex_unlock(&s->lock);
}

/* The socket takes nothing: since when, and is it time to say so? */
static void stuck(struct stream *s)
{
	uint64_t now = now_ns(), limit = s->plan->blocked_ms * 1000000ull;

	if (!limit || s->told_blocked)
		return;
	if (!s->stuck_since)
		s->stuck_since = now;
	if (now - s->stuck_since >= limit) {
		s->told_blocked = true;
		say("blocked: %llu bytes accepted", (unsigned long long)s->sent);
	} else {
		drive_wake_at(&s->task, s->stuck_since + limit);
	}
}

/* Returns 1 after a write, 0 when all is sent or nothing can be, -EAGAIN. */
static int send_step(struct stream *s)
{
	unsigned char *at;
	ssize_t n;

	if (s->send_end || s->is_over)
		return 0;
	if (!may_send(s))
		return -EAGAIN;
	if (s->sent == send_target(s)) {
		if (stream_echoes(s) && !s->recv_end)
			return -EAGAIN;
		send_over(s, END_DONE);
		return 0;
	}
	if (!s->chunk_left)
		next_chunk(s);
	at = s->chunk + (s->chunk_size - s->chunk_left);
	n = send(s->fd, at, s->chunk_left, MSG_NOSIGNAL);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN) {
		stuck(s);
		return -EAGAIN;
	}
	if (n < 0) {
		send_over(s, errno);
		return 0;
	}
	sum_add(&s->sent_sum, at, (size_t)n);
	s->sent += (uint64_t)n;
	s->chunk_left -= (size_t)n;
	s->stuck_since = 0;
	return 1;
}

static int both_step(struct task *task)
{
	struct stream *s = (struct stream *)task;
	int in = recv_step(s), out = send_step(s);

	if (s->is_over)
		return 0;
	task->events = 0;
	if (!s->recv_end && s->received < read_limit(s))
		task->events |= EPOLLIN;
	if (!s->send_end && may_send(s) && s->sent < send_target(s))
		task->events |= EPOLLOUT;
	return in > 0 || out > 0 ? 1 : -EAGAIN;
}

/* A thread's half waits here while there is nothing to do for it but wait. */
static void wait_for_change(struct stream *s, bool (*ready)(const struct stream *))
{
	pthread_mutex_lock(&s->lock);
	while (!s->is_over && !ready(s))
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static bool has_to_send(const struct stream *s)
{
	return may_send(s) && (s->sent < send_target(s) || !stream_echoes(s) || s->recv_end);
}

static bool has_to_read(const struct stream *s)
{
	return s->received < read_limit(s) || ends_early(s->plan);
}

static int thread_recv_step(struct task *task)
{
	struct stream *s = (struct stream *)task;

	wait_for_change(s, has_to_read);
	return recv_step(s) != 0;
}

static int thread_send_step(struct task *task)
{
	struct stream *s = (struct stream *)((char *)task - offsetof(struct stream, sender));

	wait_for_change(s, has_to_send);
	return send_step(s) != 0;
}

/* A thread that sleeps in send(2) cannot tell: another one looks. */
static int thread_watch_step(struct task *task)
{
	struct stream *s = (struct stream *)((char *)task - offsetof(struct stream, watcher));
	uint64_t sent = s->sent;

	pause_ms(WATCH_MS);
	if (s->send_end || s->is_over || s->told_blocked)
		return 0;
	if (s->sent == sent)
		stuck(s);
	return 1;
}

struct stream *stream_new(int fd, unsigned int index, const struct options *o)
{
	struct stream *s = xalloc(1, sizeof(*s));

	s->fd = fd;
	s->index = index;
	s->is_server = o->is_server;
	s->plan = &o->plan;
	s->write_random = pattern_seed(o->seed, index, 'w');
	s->read_random = pattern_seed(o->seed, index, 'r');
	s->out_seed = pattern_seed(o->seed, index,
				   o->is_server ? PATTERN_FIRST : PATTERN_CLIENT);
	s->wrong_at = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	return s;
}

void stream_add(struct driver *d, struct stream *s)
{
	s->task.fd = s->sender.fd = s->fd;
	s->task.events = EPOLLIN | EPOLLOUT;
	if (d->io != IO_BLOCKING) {
		s->task.step = both_step;
		drive_add(d, &s->task);
		return;
	}
	s->task.step = thread_recv_step;
	s->sender.step = thread_send_step;
	drive_add(d, &s->task);
	drive_add(d, &s->sender);
	if (!s->plan->blocked_ms)
		return;
	s->watcher = (struct task){ .fd = -1, .step = thread_watch_step, .is_background = true };
	drive_add(d, &s->watcher);
}

void stream_resume(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_resumed = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	drive_kick(&s->task);
}
