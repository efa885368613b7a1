/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *errno_text(int r)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s", strerror(abs(r)));
	/* "Address already in use", but "RPC ..." stays as it is */
	if (text[0] && !isupper((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

/* A line must stay a line, whatever bytes an argument held. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void put(struct error *err, const char *tail, const char *fmt, va_list ap)
{
	char text[ERROR_TEXT_MAX];
	size_t n;

	vsnprintf(text, sizeof(text), fmt, ap);
	n = strlen(text);
	if (tail)
		snprintf(text + n, sizeof(text) - n, ": %s", tail);
	make_printable(text);
	memcpy(err->text, text, sizeof(text));
}

int error_set(struct error *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	put(err, NULL, fmt, ap);
	va_end(ap);
	return r;
}

int error_errno(struct error *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	put(err, errno_text(r), fmt, ap);
	va_end(ap);
	return r;
}

int error_wrap(struct error *err, int r, const char *fmt, ...)
{
	char was[ERROR_TEXT_MAX];
	va_list ap;

	if (!err)
		return r;
	memcpy(was, err->text, sizeof(was));
	va_start(ap, fmt);
	put(err, was, fmt, ap);
	va_end(ap);
	return r;
}
