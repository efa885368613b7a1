/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is held back leaves at once when it is let go, and not with the timer of
 * 200 ms that ends a cork (tcp(7)). The third best of some tries tells: two may
 * be a delayed acknowledgement's, and the others wait for a busy machine.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <time.h>

#include "end.h"

#define TRIES 9
#define AT_ONCE_MS 100

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

typedef void step(struct end *e);

static void let_go(struct end *e, step *hold, step *release)
{
	int at_once = 0;
	long begin;
	char c;

	for (int i = 0; i < TRIES; i++) {
		hold(e);
		begin = now_ms();
		release(e);
		if (get(e, &c, 1) != 1)
			break;
		at_once += now_ms() - begin < AT_ONCE_MS;
	}
	say(e, "what was held back left at once: %s", at_once > 2 ? "yes" : "no");
}

static void answers(struct end *e)
{
	char text[9];

	for (int i = 0; i < TRIES; i++)
		if (get_full(e, text, sizeof(text)) != sizeof(text) || put(e, "", 1) != 1)
			break;
	ended(e);
}

static void send_more(struct end *e)
{
	must(e, "send", (int)send(e->fd, "held back", 9, MSG_MORE | MSG_NOSIGNAL));
}

static void nothing(struct end *e)
{
}

static void cork_and_send(struct end *e)
{
	option(e, IPPROTO_TCP, TCP_CORK, 1);
	put(e, "held back", 9);
}

static void uncork(struct end *e)
{
	option(e, IPPROTO_TCP, TCP_CORK, 0);
}

static void cork(struct end *e)
{
	let_go(e, cork_and_send, uncork);
}

static void shutdown_writing(struct end *e)
{
	shutdown(e->fd, SHUT_WR);
}

/* The end lets everything go. */
static void more_then_end(struct end *e)
{
	long begin;

	for (int i = 0; i < TRIES - 1; i++) {
		char c;

		put(e, "not held.", 9);
		get(e, &c, 1);
	}
	send_more(e);
	begin = now_ms();
	shutdown_writing(e);
	ended(e);
	say(e, "the end came at once: %s", now_ms() - begin < 1000 ? "yes" : "no");
}

static void push_off(struct end *e)
{
	option(e, IPPROTO_TCP, TCP_NODELAY, 0);
	send_more(e);
}

static void push_on(struct end *e)
{
	option(e, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void more_then_nodelay(struct end *e)
{
	let_go(e, push_off, push_on);
}

/* A file that is shorter than what is asked for: there is no more, so it leaves. */
static void send_short_file(struct end *e)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	off_t at = 0;
	ssize_t n;

	must(e, "pwrite", (int)pwrite(fd, "held back", 9, 0));
	for (n = 1; n > 0 && at < 9;)
		n = sendfile(e->fd, fd, &at, 100000);
	say(e, "sendfile at its end: %s", res(sendfile(e->fd, fd, &at, 100000)));
	close(fd);
}

static void short_file(struct end *e)
{
	let_go(e, nothing, send_short_file);
}

/* A header that says that there is more, and a file. */
static void header_and_file(struct end *e)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	off_t at = 0;

	must(e, "pwrite", (int)pwrite(fd, " back", 5, 0));
	must(e, "send", (int)send(e->fd, "held", 4, MSG_MORE | MSG_NOSIGNAL));
	say(e, "sendfile: %s", res(sendfile(e->fd, fd, &at, 5)));
	close(fd);
}

static void header_then_file(struct end *e)
{
	let_go(e, nothing, header_and_file);
}

/* Small writes without TCP_NODELAY, each answered: Nagle holds none of them. */
static void small_write(struct end *e)
{
	put(e, "held back", 9);
}

static void small_writes(struct end *e)
{
	option(e, IPPROTO_TCP, TCP_NODELAY, 0);
	let_go(e, nothing, small_write);
}

const struct kase flushing_cases[] = {
	{ "TCP_CORK", IN_ALL, cork, answers, NULL },
	{ "MSG_MORE, then the end", IN_ALL, more_then_end, answers, NULL },
	{ "MSG_MORE, then TCP_NODELAY", IN_ALL, more_then_nodelay, answers, NULL },
	{ "MSG_MORE, then sendfile", IN_ALL, header_then_file, answers, NULL },
	{ "sendfile of a short file", IN_ALL, short_file, answers, NULL },
	{ "small writes, answered", IN_ALL, small_writes, answers, NULL },
	{ 0 },
};
