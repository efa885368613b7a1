/* SPDX-License-Identifier: Apache-2.0 */
#include "base/goquote.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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

/*
 * One character of UTF-8 (RFC 3629: no overlong forms, no surrogates).
 * Returns its length, 0 when the first byte begins none.
 */
static size_t decode(const unsigned char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80		 ? 1 :
		   (s[0] & 0xe0) == 0xc0 ? 2 :
		   (s[0] & 0xf0) == 0xe0 ? 3 :
		   (s[0] & 0xf8) == 0xf0 ? 4 :
					   0;
	uint32_t c;

	if (!n || n > len)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
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
	const unsigned char *s = (const unsigned char *)text;
	const char *closing = "\"";
	size_t out = 0;

	buf[out++] = '"';
	for (size_t i = 0; i < len;) {
		char piece[GOQUOTE_MIN];
		uint32_t c = s[i];
		size_t n = decode(s + i, len - i, &c);
		size_t width;

		if (n && is_printable(c) && c != '"' && c != '\\') {
			memcpy(piece, s + i, n);
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
	strcpy(buf + out, closing);
	return buf;
}
