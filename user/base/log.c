/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

/* A line of 2048 characters, each as long as JSON makes it, and some more. */
#define LINE_MAX_BYTES 16384

/* In a row, of a process that writes without end. */
#define RELAY_READS 8

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

/* How a line is written without waiting for a reader; until log_open() it waits. */
static enum { WAITS, NONBLOCKING, SOCKET, POLLED } way;
static int sink = STDERR_FILENO;
static unsigned long dropped;

/* Lines of other processes of ours, and the beginning of one that came in part. */
static int relayed_fd = -1;
static char relayed[LINE_MAX_BYTES];
static size_t n_relayed;

void log_open(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL), fd;
	struct stat st;

	if (flags < 0 || fstat(STDERR_FILENO, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		way = SOCKET;
	} else if (flags & O_NONBLOCK || S_ISREG(st.st_mode)) {
		way = NONBLOCKING;
	} else {
		/* O_NONBLOCK belongs to the open file, which others write to as well */
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		way = fd < 0 ? POLLED : NONBLOCKING;
		sink = fd < 0 ? STDERR_FILENO : fd;
	}
}

int log_fd(void)
{
	return sink;
}

static ssize_t write_parts(struct iovec *parts, size_t n)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = n };
	struct pollfd room = { .fd = sink, .events = POLLOUT };

	if (way == SOCKET)
		return sendmsg(sink, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* then a pipe has room for PIPE_BUF bytes (pipe(7)) */
	if (way == POLLED && poll(&room, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return writev(sink, parts, (int)n);
}

/*
 * Returns false when there was no room for the line. In the background of a
 * terminal with `stty tostop` a write stops the writer: a log line is not worth
 * that. The terminal may well belong to COMMAND.
 */
static bool put(const char *prefix, const char *text, size_t len)
{
	/*
	 * One write a line: several processes of ours share this stderr. Not
	 * by stdio, which makes system calls that the forwarder gave up.
	 */
	struct iovec parts[] = {
		{ (void *)prefix, strlen(prefix) },
		{ (void *)text, len },
		{ (void *)"\n", 1 },
	};
	sigset_t set, was;
	bool done;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &was);
	/* any other error: nobody is left to read it */
	done = write_parts(parts, 3) >= 0 || errno != EAGAIN;
	sigprocmask(SIG_SETMASK, &was, NULL);
	return done;
}

static bool put_json(enum log_level level, const char *text)
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
	line = json_line("time", when, "level", names[level], "msg", text, (char *)NULL);
	return !line || put("", line, strlen(line));
}

static bool put_text(enum log_level level, const char *prefix, const char *text)
{
	return as_json ? put_json(level, text) : put(prefix, text, strlen(text));
}

/* Counts the line when there is no room for it, and says so with the first that there is room for. */
static void put_or_drop(bool (*put_line)(const void *line), const void *line)
{
	char text[96];

	if (dropped) {
		snprintf(text, sizeof(text), "%lu log line%s dropped: nobody read standard error",
			 dropped, dropped == 1 ? " was" : "s were");
		if (put_text(LOG_WARN, "portshunt: warning: ", text))
			dropped = 0;
	}
	if (dropped || !put_line(line))
		dropped++;
}

struct line {
	enum log_level level;
	const char *prefix, *text;
};

static bool put_own(const void *p)
{
	const struct line *line = p;

	return put_text(line->level, line->prefix, line->text);
}

static bool put_relayed(const void *text)
{
	return put("", text, strlen(text));
}

void log_relay_from(int fd)
{
	relayed_fd = fd;
}

/* Each line of what was read, without control characters. */
static void relay_lines(void)
{
	char *begin = relayed, *end;

	while ((end = memchr(begin, '\n', n_relayed - (size_t)(begin - relayed)))) {
		*end = '\0';
		make_printable(begin);
		put_or_drop(put_relayed, begin);
		begin = end + 1;
	}
	n_relayed -= (size_t)(begin - relayed);
	/* longer than any line of ours */
	if (n_relayed == sizeof(relayed))
		n_relayed = 0;
	memmove(relayed, begin, n_relayed);
}

bool log_relay(void)
{
	ssize_t n = -1;

	/* somebody who writes without end must not keep this process here */
	for (int i = 0; i < RELAY_READS && relayed_fd >= 0; i++) {
		n = read(relayed_fd, relayed + n_relayed, sizeof(relayed) - n_relayed);
		if (n <= 0)
			break;
		n_relayed += (size_t)n;
		relay_lines();
	}
	return n != 0;
}

static void put_line(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	char text[2048];
	const struct line line = { level, prefix, text };
	int saved = errno; /* the caller may still need it */

	vsnprintf(text, sizeof(text), fmt, ap);
	make_printable(text);
	log_relay();
	put_or_drop(put_own, &line);
	errno = saved;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	put_line(level, level == LOG_WARN ? "portshunt: warning: " : "portshunt: ", fmt, ap);
	va_end(ap);
}

void log_tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(LOG_INFO, "", fmt, ap);
	va_end(ap);
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
