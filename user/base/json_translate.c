/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_translate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static size_t digits(const char *s, const char *end)
{
	const char *p = s;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (size_t)(p - s);
}

/* The length of a number as RFC 8259 section 6 has it, 0 when it is none. */
static size_t number_length(const char *s, const char *end)
{
	const char *p = s;
	size_t n;

	p += p < end && *p == '-';
	n = digits(p, end);
	if (!n || (n > 1 && *p == '0'))
		return 0;
	p += n;
	if (p < end && *p == '.') {
		n = digits(p + 1, end);
		if (!n)
			return 0;
		p += 1 + n;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		n = digits(p, end);
		if (!n)
			return 0;
		p += n;
	}
	return (size_t)(p - s);
}

/*
 * put_number - write the number at @s, @n bytes, to @out as json-c shall see it. An integer
 * beyond 64 bits is a syntax error to the strict mode of json-c 0.18 and later. It becomes
 * the nearest one within, as 0.16 reads it, which json_int() never returns; blanks fill the
 * rest, so that positions do not move.
 */
static void put_number(char *out, const char *s, size_t n)
{
	memcpy(out, s, n);
	out[n] = '\0';
	if (strcspn(out, ".eE") < n)
		return;
	errno = 0;
	if (*out == '-')
		strtoll(out, NULL, 10);
	else
		strtoull(out, NULL, 10);
	if (errno != ERANGE)
		return;
	/* whatever is out of range is at least as long */
	memset(out, ' ', n);
	memcpy(out, *s == '-' ? "-9223372036854775808" : "18446744073709551615", 20);
}

/*
 * put_character - write the character @c, encoded in @n bytes at @s, to @out. Returns how
 * many bytes that took. The strict mode of json-c 0.18 refuses every byte above 0x7f in a
 * string (json-c issue 875), so these characters are escaped; above U+FFFF by surrogates.
 */
static size_t put_character(char *out, const char *s, size_t n, uint32_t c)
{
	if (c < 0x80) {
		*out = *s;
		return 1;
	}
	if (n < 4)
		return (size_t)sprintf(out, "\\u%04x", c);
	c -= 0x10000;
	return (size_t)sprintf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

size_t json_translate(const char *s, size_t len, char *out, size_t *ret_len)
{
	bool in_string = false;
	uint32_t character;
	size_t i, n, o = 0;

	for (i = 0; i < len; i += n) {
		unsigned char c = (unsigned char)s[i];

		n = 1;
		if (in_string) {
			n = utf8_decode(s + i, len - i, &character);
			if (c < 0x20 || !n)
				break;
			o += put_character(out + o, s + i, n, character);
			/* what follows a backslash is json-c's to judge, so it stays as it is */
			if (c == '\\' && i + 1 < len && (unsigned char)s[i + 1] >= 0x20) {
				if ((unsigned char)s[++i] >= 0x80)
					break;
				out[o++] = s[i];
			}
			in_string = c != '"';
		} else if (c == '-' || (c >= '0' && c <= '9')) {
			n = number_length(s + i, s + len);
			if (!n)
				break;
			put_number(out + o, s + i, n);
			o += n;
		} else if (c == 'N' || c == 'I' || c == '\0') {
			break;
		} else {
			in_string = c == '"';
			out[o++] = s[i];
		}
	}
	memcpy(out + o, s + i, len - i);
	*ret_len = o + len - i;
	return i;
}

size_t json_offset(const char *text, const char *copy, size_t end)
{
	uint32_t character;
	size_t i = 0;

	for (size_t o = 0; o < end;) {
		bool escaped = (unsigned char)text[i] >= 0x80 && copy[o] == '\\';
		size_t n = escaped ? utf8_decode(text + i, 4, &character) : 1;

		o += !escaped ? 1 : n < 4 ? 6 : 12;
		i += n;
	}
	return i;
}
