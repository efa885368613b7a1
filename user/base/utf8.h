/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, RFC 3629. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * utf8_decode - the character that @s (@len > 0 bytes) begins with. Returns its
 * length, or 0 when there is none: overlong forms, surrogates and what lies
 * above U+10FFFF are none.
 */
static inline size_t utf8_decode(const char *s, size_t len, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = p[0];
	size_t n = 1;

	if (c >= 0x80) {
		n = (c & 0xe0) == 0xc0 ? 2 :
		    (c & 0xf0) == 0xe0 ? 3 :
		    (c & 0xf8) == 0xf0 ? 4 :
					 0;
		if (!n || n > len)
			return 0;
		c &= 0xffu >> (n + 1);
	}
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}
