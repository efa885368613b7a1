/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log_sink.h"

/* JSON makes a character of these two at most (json.h), and adds some 80: see LOG_LINE_MAX. */
#define TEXT_MAX 1920

/* In a row, of a process that writes without end. */
#define RELAY_READS 8

/*
 * What other processes of ours may log: that of a second is 1.4 GB a day, and what they log at
 * the start at level debug comes whole. A line costs some more than its bytes.
 */
#define RELAY_PER_SECOND (16 * 1024)
#define RELAY_BURST (1024 * 1024)
#define RELAY_LINE_COST 32

/* As many as the verifier's complaint has lines (verifier.c), and more. */
#define KIND_PER_SECOND 100
#define KINDS_MAX 64

/* How often it is tried to log what is missing. */
#define LATE_MS 1000

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

/* Lines of other processes of ours, and the beginning of one that came in part. */
static int relayed_fd = -1;
static char relayed[4 * LOG_LINE_MAX];
static size_t n_relayed;

/* What those processes may still log: bytes, as of a time in milliseconds. */
static uint64_t relay_room = RELAY_BURST, relay_room_at;

static unsigned long dropped; /* for which there was no room */
static unsigned long excess;  /* of other processes that log too much */

/*
 * Lines of one kind, that is with one format. So many in a second are put; of the others the
 * number is, and the last one.
 */
static struct kind {
	const char *fmt;
	enum log_level level;
	uint64_t since; /* ms */
	unsigned int n;
	unsigned long more;
	char last[96];
} kinds[KINDS_MAX];
static bool has_more; /* one of these */
static uint64_t late_at; /* when log_late() last looked, ms */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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
	return !line || log_sink_put("", line, strlen(line));
}

static const char *prefix_of(enum log_level level)
{
	return level == LOG_WARN ? "portshunt: warning: " : "portshunt: ";
}

static bool put_text(enum log_level level, const char *prefix, const char *text)
{
	return as_json ? put_json(level, text) : log_sink_put(prefix, text, strlen(text));
}

/* A line of our own about lines that are missing. */
static bool __attribute__((format(printf, 2, 3)))
put_note(enum log_level level, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return put_text(level, prefix_of(level), text);
}

/* Returns false when some lines were dropped and there is still no room. */
static bool note_dropped(void)
{
	if (dropped && put_note(LOG_WARN, "%lu log line%s dropped: nobody read standard error",
				dropped, dropped == 1 ? " was" : "s were"))
		dropped = 0;
	return dropped == 0;
}

static void note_excess(void)
{
	if (excess && put_note(LOG_WARN, "%lu log line%s dropped: this portshunt's processes log "
			       "more than %d kB a second", excess, excess == 1 ? " was" : "s were",
			       RELAY_PER_SECOND / 1024))
		excess = 0;
}

static void note_more(void)
{
	has_more = false;
	for (size_t i = 0; i < KINDS_MAX && kinds[i].fmt; i++) {
		struct kind *k = &kinds[i];

		if (k->more && put_note(k->level, "%lu more like this: %s", k->more, k->last))
			k->more = 0;
		has_more |= k->more != 0;
	}
}

static bool is_incomplete(void)
{
	return dropped || excess || has_more || log_sink_has_rest();
}

int log_late_ms(void)
{
	bool wait = is_incomplete() && !log_sink_is_gone();

	return wait ? LATE_MS : -1;
}

static void note_all(void)
{
	if (!log_sink_flush() || !note_dropped())
		return;
	note_excess();
	note_more();
}

void log_late(void)
{
	uint64_t now;

	if (!is_incomplete())
		return;
	now = now_ms();
	if (now - late_at < LATE_MS)
		return;
	late_at = now;
	note_all();
}

void log_last(void)
{
	note_all();
}

/* @put_line returns false when there is no room. */
static void put_or_drop(bool (*put_line)(const void *line), const void *line)
{
	if (!note_dropped() || !put_line(line))
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
	return log_sink_put("", text, strlen(text));
}

void log_relay_from(int fd)
{
	relayed_fd = fd;
}

/* May those processes log @len bytes more now? */
static bool relay_allows(size_t len)
{
	uint64_t now = now_ms(), room;

	room = relay_room + (now - relay_room_at) * RELAY_PER_SECOND / 1000;
	/* what is too little for a byte has to add up */
	if (room > relay_room)
		relay_room_at = now;
	relay_room = room < RELAY_BURST ? room : RELAY_BURST;
	if (relay_room < len)
		return false;
	relay_room -= len;
	return true;
}

static void relay_line(char *text, size_t len)
{
	if (len >= LOG_LINE_MAX || !relay_allows(len + RELAY_LINE_COST)) {
		excess++;
		return;
	}
	make_printable(text);
	put_or_drop(put_relayed, text);
}

/* Each line of what was read, without control characters. */
static void relay_lines(void)
{
	char *begin = relayed, *end;

	while ((end = memchr(begin, '\n', n_relayed - (size_t)(begin - relayed)))) {
		*end = '\0';
		relay_line(begin, (size_t)(end - begin));
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

/* The kind that has format @fmt. When there are too many, the last ones are one kind. */
static struct kind *kind_of(const char *fmt, enum log_level level)
{
	size_t i = 0;

	while (i < KINDS_MAX - 1 && kinds[i].fmt && kinds[i].fmt != fmt)
		i++;
	if (!kinds[i].fmt)
		kinds[i] = (struct kind){ .fmt = fmt, .level = level };
	return &kinds[i];
}

/* Returns whether one more line @text of this kind may be put, and counts it. */
static bool kind_allows(struct kind *k, const char *text)
{
	uint64_t now = now_ms();

	if (!k->n || now - k->since >= 1000) {
		k->since = now;
		k->n = 0;
	}
	if (k->n < KIND_PER_SECOND) {
		k->n++;
		return true;
	}
	if (!is_incomplete())
		late_at = now;
	k->more++;
	has_more = true;
	snprintf(k->last, sizeof(k->last), "%.*s", (int)sizeof(k->last) - 1, text);
	make_printable(k->last);
	return false;
}

/* @kind is NULL for lines of which there may be as many as there are. */
static void put_line(enum log_level level, const char *prefix, const char *kind, const char *fmt,
		     va_list ap)
{
	char text[TEXT_MAX];
	const struct line line = { level, prefix, text };
	int saved = errno; /* the caller may still need it */

	vsnprintf(text, sizeof(text), fmt, ap);
	make_printable(text);
	if (!kind || kind_allows(kind_of(kind, level), text)) {
		log_relay();
		put_or_drop(put_own, &line);
	}
	errno = saved;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	put_line(level, prefix_of(level), fmt, fmt, ap);
	va_end(ap);
}

void log_tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(LOG_INFO, "", NULL, fmt, ap);
	va_end(ap);
}

bool log_allowed(struct log_limit *limit)
{
	uint64_t now = now_ms() / 1000;

	if (now < limit->next)
		return false;
	limit->next = now + LOG_QUIET_SECONDS;
	return true;
}
