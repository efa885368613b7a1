/* SPDX-License-Identifier: Apache-2.0 */
/* Where log lines go: standard error, without waiting for its reader. For log.c alone. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A line and its newline have less than this, so that a pipe takes a whole line or none of it
 * (pipe(7), PIPE_BUF), whoever else writes to it.
 */
#define LOG_LINE_MAX PIPE_BUF

/*
 * log_sink_put - write @prefix, @text of @len bytes, and a newline. What has no room for all of a
 * line gets the rest of it first, later. Returns false when nothing of the line was taken.
 */
bool log_sink_put(const char *prefix, const char *text, size_t len);

/* log_sink_has_rest - of a line, whose beginning was written. */
bool log_sink_has_rest(void);

/* log_sink_flush - write the rest of a line. Returns false when some is still left. */
bool log_sink_flush(void);

/* log_sink_is_gone - the last write found no reader, and there may never be one again. */
bool log_sink_is_gone(void);
