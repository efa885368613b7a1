/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Urgent data (tcp(7), SO_OOBINLINE, SIOCATMARK in sockatmark(3)). For each
 * mark the sender writes `gap` ordinary bytes, one urgent byte and `tail`
 * ordinary bytes in a row, and before the next it waits for one byte of
 * answer: a second mark on its way would make the kernel forget the first.
 * After the last one it shuts its side down at once.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "modes.h"
#include "pattern.h"
#include "sock.h"
#include "util.h"

struct oob {
	int fd;
	const struct options *o;
	uint64_t seed;
	uint64_t pos; /* of ordinary bytes */
	struct sum sum;
	int64_t last_mark; /* where, -1: none yet */
	bool right;
};

static unsigned char mark_byte(unsigned int i)
{
	return (unsigned char)('A' + i % 26);
}

static void send_all(int fd, const unsigned char *buf, size_t len, int flags)
{
	ssize_t n;

	for (; len; buf += n, len -= (size_t)n) {
		n = send(fd, buf, len, flags | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			die("send: %s", errno_name(errno));
	}
}

static void send_ordinary(struct oob *s, size_t n)
{
	_cleanup_free_ unsigned char *buf = xalloc(n, 1);

	pattern_fill(s->seed, s->pos, buf, n);
	send_all(s->fd, buf, n, 0);
	sum_add(&s->sum, buf, n);
	s->pos += n;
}

static void read_answer(const struct oob *s, unsigned int mark)
{
	char byte;

	watchdog_expect("the answer to a mark");
	if (recv(s->fd, &byte, 1, 0) != 1)
		die("no answer to mark %u", mark);
}

static int oob_send(struct oob *s)
{
	unsigned char byte;
	unsigned int i;

	s->seed = pattern_seed(s->o->seed, 0,
			       s->o->is_server ? PATTERN_FIRST : PATTERN_CLIENT);
	for (i = 0; i < s->o->marks; i++) {
		if (i)
			read_answer(s, i - 1);
		send_ordinary(s, s->o->gap);
		byte = mark_byte(i);
		send_all(s->fd, &byte, 1, MSG_OOB);
		send_ordinary(s, s->o->tail);
	}
	shutdown(s->fd, SHUT_WR);
	read_answer(s, i - 1);
	say("sent: %llu bytes, sum %016llx", (unsigned long long)s->pos,
	    (unsigned long long)sum_value(&s->sum));
	watchdog_expect("EOF");
	if (recv(s->fd, &byte, 1, 0) != 0)
		die("no EOF after the last mark");
	say("recv: EOF");
	return 0;
}

static void check(struct oob *s, const unsigned char *buf, size_t n)
{
	size_t skip = 0, wrong;

	if (s->pos < PATTERN_SEED_SIZE) {
		skip = PATTERN_SEED_SIZE - (size_t)s->pos;
		skip = n < skip ? n : skip;
		memcpy((unsigned char *)&s->seed + s->pos, buf, skip);
	}
	wrong = skip + pattern_check(s->seed, s->pos + skip, buf + skip, n - skip);
	if (wrong < n && s->right) {
		say("wrong: byte at %llu", (unsigned long long)s->pos + wrong);
		s->right = false;
	}
	sum_add(&s->sum, buf, n);
	s->pos += n;
}

/*
 * True at a mark that was not there before: the kernel goes on telling of one
 * until something behind it is read.
 */
static bool at_mark(const struct oob *s)
{
	return (int64_t)s->pos > s->last_mark && sockatmark(s->fd);
}

/* What is known of the mark that is expected next. */
struct mark {
	int64_t at; /* position, -1: not passed yet */
	int byte; /* -1: not come yet */
};

/*
 * Takes what can be had of the mark. Returns true when no ordinary byte may be
 * read now: at a mark that would throw the urgent byte away. POLLPRI alone does
 * not tell, it can be late (tcp_poll() takes no lock).
 */
static bool take_mark(struct oob *s, struct mark *mark, short revents)
{
	bool at = at_mark(s);
	unsigned char byte;

	if (at && mark->at < 0)
		mark->at = (int64_t)s->pos;
	if (mark->byte >= 0)
		return false;
	if (!at && (s->o->oob_inline || !(revents & POLLPRI)))
		return false;
	if (recv(s->fd, &byte, 1, MSG_DONTWAIT | (s->o->oob_inline ? 0 : MSG_OOB)) == 1)
		mark->byte = byte;
	return true;
}

/*
 * Reads up to @end ordinary bytes and, unless it is NULL, the mark among
 * them. A read never crosses a mark that the kernel knows of, and poll()
 * comes before each, so no mark is run over.
 */
static bool recv_until(struct oob *s, uint64_t end, struct mark *mark)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN | POLLPRI };
	unsigned char buf[4096];
	uint64_t left;
	ssize_t n;

	while (s->right && (s->pos < end || (mark && mark->byte < 0))) {
		if (poll(&pfd, 1, -1) < 0)
			continue;
		if (mark && take_mark(s, mark, pfd.revents))
			continue;
		if (!(pfd.revents & (POLLIN | POLLERR | POLLHUP)))
			continue;
		left = end - s->pos;
		n = recv(s->fd, buf, left && left < sizeof(buf) ? (size_t)left : sizeof(buf),
			 MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			say("recv: %s", n ? errno_name(errno) : "EOF");
			return false;
		}
		check(s, buf, (size_t)n);
	}
	if (mark && mark->at < 0 && at_mark(s))
		mark->at = (int64_t)s->pos; /* with nothing behind it */
	return s->right;
}

static int oob_recv(struct oob *s)
{
	const int on = 1;
	struct mark mark;
	unsigned int i;
	bool more = true;

	if (s->o->oob_inline &&
	    setsockopt(s->fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) < 0)
		die_errno("setsockopt SO_OOBINLINE");
	for (i = 0; more && i < s->o->marks; i++) {
		watchdog_expect("a mark and what follows it");
		mark = (struct mark){ .at = -1, .byte = -1 };
		more = recv_until(s, (i + 1) * (s->o->gap + s->o->tail), &mark);
		say("oob: byte %c at %lld", mark.byte < 0 ? '-' : mark.byte,
		    (long long)mark.at);
		s->last_mark = mark.at;
		if (more)
			send_all(s->fd, (const unsigned char *)"k", 1, 0);
	}
	watchdog_expect("EOF");
	if (more)
		recv_until(s, PEER_UNLIMITED, NULL);
	say("received: %llu bytes, sum %016llx", (unsigned long long)s->pos,
	    (unsigned long long)sum_value(&s->sum));
	return s->right && more ? 0 : EXIT_WRONG;
}

static int run(const struct options *o, int fd)
{
	struct oob s = { .fd = fd, .o = o, .last_mark = -1, .right = true };
	int status;

	status = strcmp(o->mode, "oob-send") == 0 ? oob_send(&s) : oob_recv(&s);
	close(fd);
	return status;
}

int oob_client(const struct options *o)
{
	watchdog_expect("connect");
	return run(o, sock_connected(o, 0, IO_BLOCKING, 0));
}

int oob_server(const struct options *o)
{
	struct listeners l = sock_listen(o);
	int fd;

	watchdog_expect("a client");
	fd = sock_accept(l.fds[0], o, IO_BLOCKING, 0);
	if (fd < 0)
		die("accept: %s", strerror(-fd));
	return run(o, fd);
}
