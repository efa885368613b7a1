/* SPDX-License-Identifier: Apache-2.0 */
#include "control/reply.h"

#include <stdlib.h>
#include <string.h>

static char *line_of(const char *member, struct json *value)
{
	struct json *object = json_new_object();
	char *text, *line;
	size_t len;

	json_add(object, member, value);
	text = object ? json_text(object) : NULL;
	json_free(object);
	if (!text)
		return NULL;
	len = strlen(text);
	line = realloc(text, len + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + len, "\n", 2);
	return line;
}

char *reply_return(struct json *value)
{
	return line_of("return", value);
}

char *reply_error(const char *text)
{
	struct json *value = json_new_object();

	json_add_string(value, "desc", text);
	return line_of("error", value);
}
