/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
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

/*
 * Bytes of the UTF-8 character at @s (RFC 3629), 0 when it is none, or one
 * that steers a terminal.
 */
static size_t printable_length(const unsigned char *s)
{
	/* the least value that needs 1, 2, 3, 4 bytes and is no control */
	static const uint32_t least[] = { 0x20, 0xa0, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fU >> n);

	if ((s[0] & 0xc0) == 0x80 || s[0] >= 0xf8)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n - 1] || c == 0x7f || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		return 0;
	return n;
}

/*
 * A line must stay a line, and valid in a JSON reply, whatever bytes an
 * argument held and wherever the text was cut short.
 */
void make_printable(char *s)
{
	while (*s) {
		size_t n = printable_length((unsigned char *)s);

		if (!n)
			*s = '?';
		s += n ? n : 1;
	}
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

int (error_set)(struct error *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	put(err, NULL, fmt, ap);
	va_end(ap);
	return r;
}

int (error_errno)(struct error *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	put(err, errno_text(r), fmt, ap);
	va_end(ap);
	return r;
}

int (error_wrap)(struct error *err, int r, const char *fmt, ...)
{
	char was[ERROR_TEXT_MAX];
	va_list ap;

	if (!err)
		return r;
	memcpy(was, err->text, sizeof(was));
	va_start(ap, fmt);
	put(err, was[0] ? was : NULL, fmt, ap);
	va_end(ap);
	return r;
}
