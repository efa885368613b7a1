/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"

static enum log_level max_level = LOG_WARN;
static bool as_json;

static const char *const names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_init(enum log_level level, bool json)
{
	max_level = level;
	as_json = json;
}

enum log_level log_level_get(void)
{
	return max_level;
}

bool log_is_json(void)
{
	return as_json;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_level = i;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * In the background of a terminal with `stty tostop` a write stops the writer:
 * a log line is not worth that. The terminal may well belong to COMMAND.
 */
static void put(const char *prefix, const char *text)
{
	/*
	 * One write a line: several processes of ours share this stderr. Not
	 * by stdio, which makes system calls that the forwarder gave up.
	 */
	struct iovec parts[] = {
		{ (void *)prefix, strlen(prefix) },
		{ (void *)text, strlen(text) },
		{ (void *)"\n", 1 },
	};
	sigset_t set, was;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &was);
	if (writev(STDERR_FILENO, parts, 3) < 0)
		errno = 0; /* nobody is left to be told */
	sigprocmask(SIG_SETMASK, &was, NULL);
}

static void put_json(enum log_level level, const char *text)
{
	_cleanup_free_ char *line = NULL;
	char when[64];
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when + n, sizeof(when) - n, ".%03ldZ", ts.tv_nsec / 1000000);
	line = json_line("time", when, "level", names[level], "msg", text, NULL);
	if (line)
		put("", line);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	if (as_json)
		put_json(level, text);
	else
		put(level == LOG_WARN ? "portshunt: warning: " : "portshunt: ", text);
}

void log_tell(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (as_json)
		put_json(LOG_INFO, text);
	else
		put("", text);
}

bool log_allowed(struct log_limit *limit)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec < limit->next)
		return false;
	limit->next = (uint64_t)now.tv_sec + LOG_QUIET_SECONDS;
	return true;
}
