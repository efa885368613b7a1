/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads on one connection, and both directions at once. */
#include <stdio.h>

#include "end.h"

#define MIB (1024 * 1024)
#define WRITERS 4
#define RECORDS 8000

struct record {
	uint32_t writer, number;
	char text[8];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct writer {
	struct end *e;
	uint32_t id;
};

static void *write_records(void *arg)
{
	struct writer *w = arg;

	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record r = { w->id, i, "record" };

		/* a non-blocking send may be short, and the rest must follow it */
		if (w->e->mode == NONBLOCKING)
			pthread_mutex_lock(&lock);
		if (put(w->e, &r, sizeof(r)) != sizeof(r))
			say(w->e, "a record was not sent: %s", err(errno));
		if (w->e->mode == NONBLOCKING)
			pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void write_all(struct end *e, void *(*thread)(void *arg))
{
	struct writer w[WRITERS];
	pthread_t threads[WRITERS];

	for (uint32_t i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ e, i };
		pthread_create(&threads[i], NULL, thread, &w[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
}

static void writers(struct end *e)
{
	write_all(e, write_records);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* Each record whole, and those of one writer in its order. */
static void collects(struct end *e)
{
	uint32_t next[WRITERS] = { 0 };
	unsigned int wrong = 0;
	struct record r;

	for (int i = 0; i < WRITERS * RECORDS; i++) {
		if (get_full(e, &r, sizeof(r)) != sizeof(r))
			break;
		if (r.writer >= WRITERS || r.number != next[r.writer] ||
		    strncmp(r.text, "record", sizeof(r.text)) != 0)
			wrong++;
		else
			next[r.writer]++;
	}
	for (int i = 0; i < WRITERS; i++)
		say(e, "records of writer %d: %u", i, next[i]);
	say(e, "wrong ones: %u", wrong);
	ended(e);
}

/* ---- bytes need no lock: none can be short -------------------------------------------- */

#define LETTERS 10000

static void *write_letters(void *arg)
{
	struct writer *w = arg;
	char letter = (char)('a' + w->id);

	for (int i = 0; i < LETTERS; i++) {
		ssize_t n = put(w->e, &letter, 1);

		if (n == 1)
			continue;
		say(w->e, "a letter was not sent: %s", err((int)n));
		break;
	}
	return NULL;
}

/* Then all queues are full: they have to wait for room, and get it at the same time. */
static void letters(struct end *e)
{
	static char dots[MIB];
	ssize_t n;

	write_all(e, write_letters);
	heed(e);
	do {
		n = send(e->fd, dots, sizeof(dots), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n > 0);
	say(e, "no room: %s", res(n));
	tell(e);
	write_all(e, write_letters);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static void counts_letters(struct end *e)
{
	unsigned int count[256] = { 0 }, sum = 0;
	unsigned char data[20000];
	ssize_t n;

	while ((n = get(e, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			count[data[i]]++;
		sum += (unsigned int)n;
		if (sum == WRITERS * LETTERS)
			meet(e);
	}
	/* how many zeros there was room for is a matter of luck */
	for (int i = 1; i < 256; i++)
		if (count[i])
			say(e, "%c: %u", i, count[i]);
	say(e, "the end: %s", res(n));
}

/* ---- both at once --------------------------------------------------------------------- */

static struct stream taken;

static ssize_t take(struct end *e)
{
	char data[50000];
	ssize_t n = 0;

	stream_init(&taken);
	while (taken.bytes < 16 * MIB) {
		size_t left = 16 * MIB - taken.bytes;

		n = get(e, data, left < sizeof(data) ? left : sizeof(data));
		if (n <= 0)
			return n;
		stream_take(&taken, data, (size_t)n);
	}
	return 1;
}

static void *take_thread(void *arg)
{
	return (void *)take(arg);
}

static void both(struct end *e)
{
	pthread_t thread;
	void *last;

	pthread_create(&thread, NULL, take_thread, e);
	send_stream(e, 16 * MIB, 4 * MIB, send_plainly);
	pthread_join(thread, &last);
	stream_say(e, &taken, (ssize_t)last);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* One thread, one poll(2) for both directions. */
static void both_by_one(struct end *e)
{
	static char out[MIB], in[MIB];
	struct stream sent, got;
	size_t filled = 0, at = 0;

	stream_init(&sent);
	stream_init(&got);
	while (sent.bytes < 16 * MIB || got.bytes < 16 * MIB) {
		struct pollfd pfd = { e->fd, POLLIN, 0 };
		ssize_t n;

		if (at == filled && sent.bytes < 16 * MIB) {
			stream_fill(&sent, out, sizeof(out));
			sent.bytes += sizeof(out);
			filled = sizeof(out);
			at = 0;
		}
		if (at < filled)
			pfd.events |= POLLOUT;
		poll(&pfd, 1, -1);
		n = at < filled ? send(e->fd, out + at, filled - at, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
		if (n > 0)
			at += (size_t)n;
		n = recv(e->fd, in, sizeof(in), MSG_DONTWAIT);
		if (n > 0)
			stream_take(&got, in, (size_t)n);
		else if (!n || errno != EAGAIN)
			break;
	}
	put(e, out + at, filled - at);
	stream_say(e, &got, 0);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* A thread reads while another writes, byte by byte: all of it comes back. */
static ssize_t write_numbers(struct end *e)
{
	for (uint32_t i = 0; i < 20000; i++)
		if (put(e, &i, sizeof(i)) != sizeof(i))
			return -EIO;
	return 1;
}

static void *numbers_thread(void *arg)
{
	return (void *)write_numbers(arg);
}

static void pipelines(struct end *e)
{
	uint32_t number, i;
	pthread_t thread;
	void *r;

	pthread_create(&thread, NULL, numbers_thread, e);
	for (i = 0; i < 20000; i++)
		if (get_full(e, &number, sizeof(number)) != sizeof(number) || number != i)
			break;
	pthread_join(thread, &r);
	say(e, "%u numbers came back", i);
}

static void echoes(struct end *e)
{
	char data[10000];
	ssize_t n;

	while ((n = get(e, data, sizeof(data))) > 0)
		if (put(e, data, (size_t)n) != n)
			break;
	say(e, "the end: %s", res(n));
}

const struct kase thread_cases[] = {
	{ "many writers", IN_ALL | ALL_FAMILIES, writers, collects, NULL },
	{ "many writers of letters", IN_ALL, letters, counts_letters, NULL },
	{ "both directions", IN_ALL | ALL_FAMILIES, both, both, NULL },
	{ "both directions, one thread", IN_NONBLOCKING | IN_BLOCKING, both_by_one, both_by_one, NULL },
	{ "writer and reader", IN_ALL, pipelines, echoes, NULL },
	{ 0 },
};
