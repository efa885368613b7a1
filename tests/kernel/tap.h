/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP for the programs of this folder. Each proves a behaviour of the kernel
 * that the design relies on, and fails where a kernel behaves otherwise: then
 * the code that relies on it is to be changed, not the program.
 */
#pragma once

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/patience.h"

/* Seconds after which a call or a wait that hangs ends the program. */
#define TAP_DEADLINE (60 * patience())

static unsigned int tap_n, tap_failed;
static const char *tap_waits_for = "a system call";

static void tap_too_late(int number)
{
	printf("Bail out! waited in vain for %s\n", tap_waits_for);
	_exit(1);
}

static void __attribute__((constructor)) tap_begin(void)
{
	/* so that fork(2) copies no unwritten line */
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, tap_too_late);
	alarm(TAP_DEADLINE);
}

/* WAIT_UNTIL - look again until it holds. */
#define WAIT_UNTIL(condition)                                                            \
	do {                                                                             \
		tap_waits_for = #condition;                                              \
		while (!(condition))                                                     \
			sched_yield();                                                   \
		tap_waits_for = "a system call";                                         \
	} while (0)

/* tap_end - Returns the exit status of main(). */
static inline int tap_end(void)
{
	printf("1..%u\n", tap_n);
	return tap_failed ? 1 : 0;
}

static inline void __attribute__((noreturn)) tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(0);
}

static inline void __attribute__((format(printf, 1, 2))) tap_diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

/* tap_ok - one result; @what says what should hold. Returns @holds. */
static inline bool tap_ok(bool holds, const char *what)
{
	printf("%sok %u - %s\n", holds ? "" : "not ", ++tap_n, what);
	tap_failed += !holds;
	return holds;
}

/* A number as the programs use it: a count, or -errno. */
static inline const char *tap_text(long value, char buf[32])
{
	const char *name = value < 0 ? strerrorname_np((int)-value) : NULL;

	if (name)
		snprintf(buf, 32, "-%s", name);
	else
		snprintf(buf, 32, "%ld", value);
	return buf;
}

/* tap_is - a number has to be this one; what it was is told either way. */
static inline bool tap_is(long got, long want, const char *what)
{
	char g[32], w[32];

	tap_ok(got == want, what);
	if (got == want)
		tap_diag("%s", tap_text(got, g));
	else
		tap_diag("got %s instead of %s", tap_text(got, g), tap_text(want, w));
	return got == want;
}

/* RC - the result of a system call as a count or -errno. */
#define RC(call)                                                                         \
	({                                                                               \
		long rc_ = (long)(call);                                                 \
		rc_ < 0 ? -errno : rc_;                                                  \
	})

/* MUST - a call that has to succeed for the rest to make sense. */
#define MUST(call)                                                                       \
	({                                                                               \
		long must_ = (long)(call);                                               \
		if (must_ < 0) {                                                         \
			printf("Bail out! %s:%d: %s: %s\n", __FILE__, __LINE__, #call,   \
			       strerror(errno));                                         \
			_exit(1);                                                        \
		}                                                                        \
		must_;                                                                   \
	})
