/* SPDX-License-Identifier: Apache-2.0 */
#include "base/goquote.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/*
 * Characters from U+0080 on that Go does not print: Unicode's categories
 * C (control, format, private use, surrogate) and Z (separators), and the two
 * great unassigned gaps. Characters that are unassigned within a script's
 * block, which differ from one Unicode version to the next, count as
 * printable. Noncharacters U+xxFFFE and U+xxFFFF are tested by their bits.
 */
static const struct {
	uint32_t first, last;
} UNPRINTABLE[] = {
	{ 0x80, 0xa0 },	      { 0xad, 0xad },	    { 0x378, 0x379 },
	{ 0x600, 0x605 },     { 0x61c, 0x61c },	    { 0x6dd, 0x6dd },
	{ 0x70f, 0x70f },     { 0x890, 0x891 },	    { 0x8e2, 0x8e2 },
	{ 0x1680, 0x1680 },   { 0x180e, 0x180e },   { 0x2000, 0x200f },
	{ 0x2028, 0x202f },   { 0x205f, 0x206f },   { 0x3000, 0x3000 },
	{ 0xd800, 0xf8ff },   { 0xfdd0, 0xfdef },   { 0xfeff, 0xfeff },
	{ 0xfff0, 0xfffb },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
	{ 0x13430, 0x13438 }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
	{ 0x323b0, 0xe00ff }, { 0xe01f0, 0x10ffff },
};

static bool is_printable(uint32_t c)
{
	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	if ((c & 0xfffe) == 0xfffe)
		return false;
	for (size_t i = 0; i < sizeof(UNPRINTABLE) / sizeof(UNPRINTABLE[0]); i++)
		if (c >= UNPRINTABLE[i].first && c <= UNPRINTABLE[i].last)
			return false;
	return true;
}

/* The escape of character @c, or of byte @c when it is no UTF-8. */
static size_t escape(uint32_t c, bool is_byte, char out[GOQUOTE_MIN])
{
	static const char named[] = "\a\b\f\n\r\t\v\\\"";
	static const char letters[] = "abfnrtv\\\"";
	const char *name = c && c < 0x80 ? strchr(named, (int)c) : NULL;
	const char *fmt = is_byte || c < 0x80 ? "\\x%02x" :
			  c < 0x10000	      ? "\\u%04x" :
						"\\U%08x";

	if (name)
		return (size_t)snprintf(out, GOQUOTE_MIN, "\\%c",
					letters[name - named]);
	return (size_t)snprintf(out, GOQUOTE_MIN, fmt, c);
}

const char *goquote(const char *text, size_t len, char *buf, size_t size)
{
	const char *closing = "\"";
	size_t out = 0;

	buf[out++] = '"';
	for (size_t i = 0; i < len;) {
		char piece[GOQUOTE_MIN];
		uint32_t c = (unsigned char)text[i];
		size_t n = utf8_decode(text + i, len - i, &c);
		size_t width;

		if (n && is_printable(c) && c != '"' && c != '\\') {
			memcpy(piece, text + i, n);
			width = n;
		} else {
			width = escape(c, n == 0, piece);
		}
		/* room for the closing quote, the dots and NUL always stays */
		if (out + width + 5 > size) {
			closing = "\"...";
			break;
		}
		memcpy(buf + out, piece, width);
		out += width;
		i += n ? n : 1;
	}
	memcpy(buf + out, closing, strlen(closing) + 1);
	return buf;
}
