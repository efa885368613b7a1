/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What json-c is given instead of a JSON text, for json.c alone: its versions 0.16 to 0.19
 * then agree on it, and with RFC 8259.
 */
#pragma once

#include <stddef.h>

/* A character of two bytes becomes \u0080, one of four becomes two of these. */
#define JSON_GROWTH_MAX 3

/*
 * json_translate - write to @out what json-c gets instead of the @len bytes at @s. @out has
 * room for JSON_GROWTH_MAX * @len + 1 bytes.
 *
 * What json-c 0.16 takes in its strict mode although RFC 8259 does not ends it: NaN,
 * Infinity, 1. and 00, in strings control characters and overlong UTF-8, a NUL as the end.
 * The rest is copied as it is then. Returns the offset of the first of these in @s, @len
 * when there is none, and the number of bytes written in @ret_len.
 */
size_t json_translate(const char *s, size_t len, char *out, size_t *ret_len);

/* json_offset - the offset in @text of what json_translate() wrote at @end of @copy. */
size_t json_offset(const char *text, const char *copy, size_t end);
