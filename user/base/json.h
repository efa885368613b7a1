/* SPDX-License-Identifier: Apache-2.0 */
/* All that is known of JSON here; the only file that sees json-c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * json_line - one object with string members, from NULL-terminated pairs of
 * key and value: json_line("level", "warn", "msg", text, NULL).
 * Returns a string that the caller frees, NULL when memory is short.
 */
char *json_line(const char *key, ...) __attribute__((sentinel));

/*
 * A value that was read. A NULL pointer is JSON's null, and what is not there;
 * every function below takes it. Values belong to the one that json_parse()
 * gave.
 */
struct json;

/*
 * A value that is made. What is put into another belongs to that; the outermost
 * is freed by json_free(). When memory is short, something is missing in it.
 */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *text);
struct json *json_new_boolean(bool value);
void json_add(struct json *object, const char *key, struct json *value);
void json_add_string(struct json *object, const char *key, const char *text);
void json_add_uint(struct json *object, const char *key, uint64_t n);
void json_append(struct json *array, struct json *value);

/* json_text - in one line. The caller frees it; NULL when memory is short. */
char *json_text(const struct json *value);

/* Objects and arrays may nest so deep. */
#define JSON_DEPTH_MAX 16

/*
 * json_parse - one value of RFC 8259 and nothing but white space around it.
 * Of equal keys the last counts. Returns 0; -EINVAL with the position in
 * bytes in the text ("unexpected end of JSON input" when it only stops too
 * early), or -ENOMEM. With json-c 0.16 to 0.19 the same text has the same outcome.
 */
int json_parse(const char *text, size_t len, struct json **ret,
	       struct error *err);
void json_free(struct json *value);

bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);

/* json_get - the member, NULL too when @object is none. */
const struct json *json_get(const struct json *object, const char *key);
/*
 * json_get_folded - as Go's encoding/json finds it: in whichever case the key
 * (ASCII) is written. Of several the last counts.
 */
const struct json *json_get_folded(const struct json *object, const char *key);
/* json_has - true for a member that is null, too. */
bool json_has(const struct json *object, const char *key);

/*
 * json_other_key - a key of @object that is not in @keys, which NULL ends;
 * NULL when there is none. It belongs to the object.
 */
const char *json_other_key(const struct json *object, const char *const *keys);

/* json_len - how many elements; 0 when @array is none. */
size_t json_len(const struct json *array);
const struct json *json_at(const struct json *array, size_t i);

/* json_go_kind - what Go's encoding/json calls it: object, array, string, number, bool, null. */
const char *json_go_kind(const struct json *value);

/*
 * json_int - 0, or -EINVAL when it is no integer from @min to @max; the two
 * ends of int64_t themselves are never given.
 */
int json_int(const struct json *value, int64_t min, int64_t max, int64_t *ret);

/* json_boolean - 0, or -EINVAL when it is neither true nor false. */
int json_boolean(const struct json *value, bool *ret);

/* json_string - NULL when it is no string, or has a NUL inside. */
const char *json_string(const struct json *value);

/*
 * json_go_text - the value as Go's %v prints what encoding/json makes of it:
 * map[desc:text id:1], [1 2], <nil>; numbers as they were written, but an integer beyond 64
 * bits as the nearest one within. The caller frees it; NULL when memory is short.
 */
char *json_go_text(const struct json *value);
