/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines on stderr: "portshunt: text", or one JSON object a line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * log_init - set the level and the form. Before it is called, warnings and
 * worse are printed as text.
 */
void log_init(enum log_level level, bool json);

/*
 * log_open - from now on a line never waits for a reader of standard error: a
 * full pipe, a stopped terminal. A line that there is no room for is dropped,
 * and the next that there is room for comes after one that says how many were.
 * Call it before the first line and before files are gone, once or again; it
 * may keep one more descriptor, and handles SIGALRM where it has to.
 */
void log_open(void);

/*
 * log_late_ms, log_late - lines that were dropped, and lines like others that
 * were left out, are reported when there is room, also when no other line
 * follows. An event loop calls log_late() in each turn, and log_late_ms() says
 * how long a turn may wait for events until then; -1: as long as it likes.
 * log_last - the last chance: call it before the process ends.
 */
int log_late_ms(void);
void log_late(void);
void log_last(void);

/* log_fd - the descriptor that lines are written to. */
int log_fd(void);

/*
 * log_relay_from - @fd, non-blocking, the caller's: the lines of other
 * processes of ours, or -1. They are printed, in their order and without
 * control characters, before each line of this process, and by log_relay(),
 * which returns false at the end of file. Whoever has taken one of them over
 * must not fill a disk: beyond a rate of bytes they are dropped, and counted.
 */
void log_relay_from(int fd);
bool log_relay(void);

enum log_level log_level_get(void);
bool log_is_json(void);

/* log_level_parse - "error", "warn", "info", "debug". Returns 0 or -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level);

/*
 * log_at - log a line; errno stays as it is. Of lines with the same @fmt, which
 * must be a literal, a second has a hundred at most; then one says how many
 * more there were.
 */
void log_at(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * log_tell - what the user waits for, such as a port that was chosen: whatever
 * the level is, and as text without "portshunt: ".
 */
void log_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/*
 * A condition that a client can cause may be told at most once in
 * LOG_QUIET_SECONDS; embed one of these, zeroed, where it is told.
 */
#define LOG_QUIET_SECONDS 10

struct log_limit {
	uint64_t next; /* CLOCK_MONOTONIC, s */
};

/* log_allowed - true when the condition behind @limit may be told now. */
bool log_allowed(struct log_limit *limit);
