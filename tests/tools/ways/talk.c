/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and their answers. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ways.h"

/* A cell that is far slower than it should be need not have all of its messages. */
#define ENOUGH_NS 600000000u

/* How often a slow receiver looks at each byte. */
#define SLOW_ROUNDS 40

#define READ_SIZE (256 * 1024)
#define SLOW_READ (64 * 1024)

static char buffer[READ_SIZE];

/* Where message @i starts in the source. */
static size_t start_of(const struct end *e, unsigned int i)
{
	return e->cell->way->is_at_start ? 0 : i * 7919u % PERIOD;
}

static void send_message(struct end *e, unsigned int i)
{
	const struct way *way = e->cell->way;
	size_t done = 0, size = e->cell->size, at = start_of(e, i);
	ssize_t n;

	if (way->begin)
		way->begin(e);
	while (done < size) {
		n = way->step(e, at + done, done, size);
		if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
			fail(e, "send", errno);
		if (n > 0)
			done += (size_t)n;
		/* as servers do: who got less than it asked for waits, without another
		 * try */
		if (n < 0 || (size_t)n < e->asked)
			wait_room(e);
	}
	if (way->finish)
		way->finish(e);
}

/* At most @max bytes; 0 at the end. */
static size_t receive(struct end *e, char *data, size_t max)
{
	ssize_t n;

	for (;;) {
		n = recv(e->fd, data, max, 0);
		if (n >= 0)
			return (size_t)n;
		if (errno != EAGAIN)
			fail(e, "recv", errno);
		wait_data(e);
	}
}

static void compare(struct end *e, const char *data, size_t at, size_t len)
{
	/* memcmp() of the same is else hoisted out of the loop */
	int (*volatile cmp)(const void *, const void *, size_t) = memcmp;
	int rounds = e->cell->is_slow ? SLOW_ROUNDS : 1;

	while (rounds--)
		if (cmp(data, e->source->map + at % PERIOD, len) != 0)
			fail(e, "wrong-bytes", 0);
}

/* Returns false when the other end has ended instead. */
static bool receive_message(struct end *e, unsigned int i)
{
	size_t done = 0, size = e->cell->size, at = start_of(e, i), n, max;

	while (done < size) {
		max = e->cell->is_slow ? SLOW_READ : READ_SIZE;
		if (max > size - done)
			max = size - done;
		n = receive(e, buffer, max);
		if (!n && !done)
			return false;
		if (!n)
			fail(e, "ended-early", 0);
		compare(e, buffer, at + done, n);
		done += n;
	}
	return true;
}

/* A request or an answer: small, and sent plainly. */
static void send_answer(struct end *e, unsigned int i)
{
	char text[ANSWER] = { 0 };
	ssize_t n;

	memcpy(text, &i, sizeof(i));
	for (size_t done = 0; done < sizeof(text);) {
		n = send(e->fd, text + done, sizeof(text) - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			fail(e, "send-answer", errno);
		if (n < 0)
			wait_room(e);
		else
			done += (size_t)n;
	}
}

static bool receive_answer(struct end *e, unsigned int i)
{
	char text[ANSWER];
	size_t done = 0, n;

	while (done < sizeof(text)) {
		n = receive(e, text + done, sizeof(text) - done);
		if (!n && !done)
			return false;
		if (!n)
			fail(e, "ended-early", 0);
		done += n;
	}
	if (memcmp(text, &i, sizeof(i)) != 0)
		fail(e, "wrong-answer", 0);
	return true;
}

void talk_client(struct end *e)
{
	struct outcome *o = e->outcome;
	uint64_t begin = now_ns(), last = begin, now;
	unsigned int i;

	for (i = 0; i < e->cell->count && last - begin < ENOUGH_NS; i++) {
		if (e->cell->is_up)
			send_message(e, i);
		else
			send_answer(e, i);
		if (!(e->cell->is_up ? receive_answer(e, i) : receive_message(e, i)))
			fail(e, "ended-early", 0);
		now = now_ns();
		o->latencies[i] = now - last;
		last = now;
	}
	o->messages = i;
	o->ns = last - begin;
	shutdown(e->fd, SHUT_WR);
	if (receive(e, buffer, 1))
		fail(e, "too-many-bytes", 0);
}

void talk_server(struct end *e)
{
	unsigned int i;

	for (i = 0; e->cell->is_up ? receive_message(e, i) : receive_answer(e, i); i++) {
		if (e->cell->is_up)
			send_answer(e, i);
		else
			send_message(e, i);
	}
}
