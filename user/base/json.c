/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>

char *json_line(const char *key, ...)
{
	struct json_object *o = json_object_new_object();
	char *line = NULL;
	const char *text;
	va_list ap;

	if (!o)
		return NULL;
	va_start(ap, key);
	for (; key; key = va_arg(ap, const char *))
		json_object_object_add(
			o, key, json_object_new_string(va_arg(ap, const char *)));
	va_end(ap);
	text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		line = strdup(text);
	json_object_put(o);
	return line;
}
