/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that every mode of the peer needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_DEADLINE = 124 };

/* die - "peer: text" on stderr, and the end with EXIT_WRONG. */
void die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* die_errno - the same, followed by the text of errno. */
void die_errno(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* say - one line on stdout, at once and whole. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* xalloc - zeroed memory, or the end. */
void *xalloc(size_t n, size_t size);

/* errno_name - "ECONNRESET"; "errno 4242" when it has no name. */
const char *errno_name(int e);

/* read_line - the next line of stdin, without its newline; false at its end. */
bool read_line(char *buf, size_t size);

/* now_ns - CLOCK_MONOTONIC. */
uint64_t now_ns(void);

/* random_next - xorshift64*; the state must not be 0. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/*
 * watchdog_start - the program ends with EXIT_DEADLINE and the line that
 * watchdog_expect() left, @seconds from now, PATIENCE times that; 0: never.
 */
void watchdog_start(double seconds);

/* watchdog_expect - what is being waited for; a string that stays. */
void watchdog_expect(const char *what);

/* watchdog_detail - called when the time is over, to print where things stand. */
void watchdog_detail(void (*fn)(void *), void *arg);
