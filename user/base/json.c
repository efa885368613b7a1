/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json_translate.h"

/* The opaque type of the header is json-c's own. */
static struct json_object *inner(const struct json *value)
{
	return (struct json_object *)value;
}

static const struct json *outer(struct json_object *o)
{
	return (const struct json *)o;
}

struct json *json_new_object(void)
{
	return (struct json *)json_object_new_object();
}

struct json *json_new_array(void)
{
	return (struct json *)json_object_new_array();
}

struct json *json_new_string(const char *text)
{
	return (struct json *)json_object_new_string(text);
}

struct json *json_new_boolean(bool value)
{
	return (struct json *)json_object_new_boolean(value);
}

void json_add(struct json *object, const char *key, struct json *value)
{
	if (!object || json_object_object_add(inner(object), key, inner(value)) < 0)
		json_free(value);
}

void json_add_string(struct json *object, const char *key, const char *text)
{
	json_add(object, key, json_new_string(text));
}

void json_add_uint(struct json *object, const char *key, uint64_t n)
{
	json_add(object, key, (struct json *)json_object_new_uint64(n));
}

void json_append(struct json *array, struct json *value)
{
	if (!array || json_object_array_add(inner(array), inner(value)) < 0)
		json_free(value);
}

char *json_text(const struct json *value)
{
	const char *text = json_object_to_json_string_ext(
		inner(value), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return text ? strdup(text) : NULL;
}

char *json_line(const char *key, ...)
{
	struct json_object *o = json_object_new_object();
	char *line;
	va_list ap;

	if (!o)
		return NULL;
	va_start(ap, key);
	for (; key; key = va_arg(ap, const char *))
		json_object_object_add(
			o, key, json_object_new_string(va_arg(ap, const char *)));
	va_end(ap);
	line = json_text(outer(o));
	json_object_put(o);
	return line;
}

int json_parse(const char *text, size_t len, struct json **ret,
	       struct error *err)
{
	size_t room = len < INT32_MAX / JSON_GROWTH_MAX ? JSON_GROWTH_MAX * len + 1 : 0;
	_cleanup_free_ char *copy = room ? malloc(room) : NULL;
	struct json_tokener *tokener = copy ? json_tokener_new_ex(JSON_DEPTH_MAX) : NULL;
	enum json_tokener_error e;
	struct json_object *o;
	size_t at, end, copied;

	if (!tokener)
		return error_errno(err, -ENOMEM, "JSON of %zu bytes", len);
	at = json_translate(text, len, copy, &copied);
	/* json-c ends a number at the top level only at what follows it */
	copy[copied] = ' ';
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT |
						JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, copy, (int)copied + 1);
	e = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	end = end > copied ? len : json_offset(text, copy, end);
	json_tokener_free(tokener);

	if (e == json_tokener_success && at == len) {
		*ret = (struct json *)o;
		return 0;
	}
	json_object_put(o);
	/* more is missed only at the blank that follows the text */
	if (at == len && (e == json_tokener_continue || end >= len))
		return error_set(err, -EINVAL, "unexpected end of JSON input");
	if (e == json_tokener_success || e == json_tokener_continue || at < end)
		return error_set(err, -EINVAL,
				 "invalid JSON at byte %zu: unexpected character",
				 at);
	return error_set(err, -EINVAL, "invalid JSON at byte %zu: %s", end,
			 json_tokener_error_desc(e));
}

void json_free(struct json *value)
{
	json_object_put(inner(value));
}

bool json_is_object(const struct json *value)
{
	return json_object_is_type(inner(value), json_type_object);
}

bool json_is_array(const struct json *value)
{
	return json_object_is_type(inner(value), json_type_array);
}

const struct json *json_get(const struct json *object, const char *key)
{
	struct json_object *member = NULL;

	if (json_is_object(object))
		json_object_object_get_ex(inner(object), key, &member);
	return outer(member);
}

const struct json *json_get_folded(const struct json *object, const char *key)
{
	const struct json *found = NULL;

	if (!json_is_object(object))
		return NULL;
	json_object_object_foreach(inner(object), k, value)
	{
		if (strcasecmp(k, key) == 0)
			found = outer(value);
	}
	return found;
}

bool json_has(const struct json *object, const char *key)
{
	return json_is_object(object) &&
	       json_object_object_get_ex(inner(object), key, NULL);
}

const char *json_other_key(const struct json *object, const char *const *keys)
{
	if (!json_is_object(object))
		return NULL;
	json_object_object_foreach(inner(object), key, value)
	{
		const char *const *k = keys;

		(void)value;
		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return key;
	}
	return NULL;
}

size_t json_len(const struct json *array)
{
	return json_is_array(array) ? json_object_array_length(inner(array)) : 0;
}

const struct json *json_at(const struct json *array, size_t i)
{
	if (i >= json_len(array))
		return NULL;
	return outer(json_object_array_get_idx(inner(array), i));
}

const char *json_go_kind(const struct json *value)
{
	static const char *const kinds[] = {
		[json_type_null] = "null",	[json_type_boolean] = "bool",
		[json_type_double] = "number",	[json_type_int] = "number",
		[json_type_object] = "object",	[json_type_array] = "array",
		[json_type_string] = "string",
	};

	return kinds[json_object_get_type(inner(value))];
}

int json_int(const struct json *value, int64_t min, int64_t max, int64_t *ret)
{
	int64_t n;

	if (!json_object_is_type(inner(value), json_type_int))
		return -EINVAL;
	/* these two are also what every number beyond them is read as */
	n = json_object_get_int64(inner(value));
	if (n < min || n > max || n == INT64_MIN || n == INT64_MAX)
		return -EINVAL;
	*ret = n;
	return 0;
}

int json_boolean(const struct json *value, bool *ret)
{
	if (!json_object_is_type(inner(value), json_type_boolean))
		return -EINVAL;
	*ret = json_object_get_boolean(inner(value));
	return 0;
}

const char *json_string(const struct json *value)
{
	const char *text;

	if (!json_object_is_type(inner(value), json_type_string))
		return NULL;
	text = json_object_get_string(inner(value));
	if (strlen(text) != (size_t)json_object_get_string_len(inner(value)))
		return NULL;
	return text;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void go_print(FILE *f, struct json_object *o);

static void go_print_map(FILE *f, struct json_object *o)
{
	size_t n = (size_t)json_object_object_length(o), i = 0;
	_cleanup_free_ const char **keys = calloc(n + 1, sizeof(*keys));

	if (!keys)
		return;
	json_object_object_foreach(o, key, value)
	{
		(void)value;
		keys[i++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_key);
	fputs("map[", f);
	for (i = 0; i < n; i++) {
		fprintf(f, "%s%s:", i ? " " : "", keys[i]);
		go_print(f, json_object_object_get(o, keys[i]));
	}
	fputs("]", f);
}

static void go_print(FILE *f, struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_null:
		fputs("<nil>", f);
		break;
	case json_type_object:
		go_print_map(f, o);
		break;
	case json_type_array:
		fputs("[", f);
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			fputs(i ? " " : "", f);
			go_print(f, json_object_array_get_idx(o, i));
		}
		fputs("]", f);
		break;
	default:
		/* strings and booleans as they are, numbers as they were written */
		fputs(json_object_get_string(o), f);
	}
}

char *json_go_text(const struct json *value)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	go_print(f, inner(value));
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
