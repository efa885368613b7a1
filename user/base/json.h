/* SPDX-License-Identifier: Apache-2.0 */
/* All that is known of JSON here; the only file that sees json-c. */
#pragma once

/*
 * json_line - one object with string members, from NULL-terminated pairs of
 * key and value: json_line("level", "warn", "msg", text, NULL).
 * Returns a string that the caller frees, NULL when memory is short.
 */
char *json_line(const char *key, ...) __attribute__((sentinel));
