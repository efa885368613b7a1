/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/patience.h"

static void complain(const char *fmt, va_list ap, int e)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (e)
		fprintf(stderr, "peer: %s: %s\n", text, strerror(e));
	else
		fprintf(stderr, "peer: %s\n", text);
	fflush(stdout);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap, 0);
	va_end(ap);
	_exit(EXIT_WRONG);
}

void die_errno(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap, e);
	va_end(ap);
	_exit(EXIT_WRONG);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	flockfile(stdout);
	vprintf(fmt, ap);
	putchar_unlocked('\n');
	fflush(stdout);
	funlockfile(stdout);
	va_end(ap);
}

bool read_line(char *buf, size_t size)
{
	size_t n = 0;

	while (read(STDIN_FILENO, buf + n, 1) == 1) {
		if (buf[n] == '\n') {
			buf[n] = '\0';
			return true;
		}
		if (++n == size)
			die("a line on stdin is longer than %zu bytes", size);
	}
	return false;
}

void *xalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die("no memory for %zu times %zu bytes", n, size);
	return p;
}

const char *errno_name(int e)
{
	static __thread char text[32];
	const char *name = strerrorname_np(e);

	if (name)
		return name;
	snprintf(text, sizeof(text), "errno %d", e);
	return text;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static const char *volatile expected = "its start";
static void (*detail_fn)(void *);
static void *detail_arg;

void watchdog_expect(const char *what)
{
	expected = what;
}

void watchdog_detail(void (*fn)(void *), void *arg)
{
	detail_arg = arg;
	detail_fn = fn;
}

static void *watchdog(void *arg)
{
	double seconds = *(double *)arg;
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
	fprintf(stderr, "peer: deadline of %g s is over, waiting for %s\n",
		seconds, expected);
	if (detail_fn)
		detail_fn(detail_arg);
	fflush(stdout);
	_exit(EXIT_DEADLINE);
}

void watchdog_start(double seconds)
{
	static double arg;
	pthread_t thread;
	int r;

	if (seconds <= 0)
		return;
	arg = seconds * patience();
	r = pthread_create(&thread, NULL, watchdog, &arg);
	if (r)
		die("cannot start the watchdog thread: %s", strerror(r));
	pthread_detach(thread);
}
