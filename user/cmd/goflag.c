/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/goflag.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/goquote.h"

#define QUOTE_MAX 256

static const struct goflag *find(const struct goflag *flags, const char *name, size_t len)
{
	for (const struct goflag *f = flags; f->name; f++)
		if (strlen(f->name) == len && strncmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

static int set(const struct goflag *f, const char *value, struct error *err)
{
	struct error why = { "" };
	char quoted[QUOTE_MAX];
	int r = f->set(f->to, value, &why);

	if (r >= 0)
		return 0;
	goquote(value, strlen(value), quoted, sizeof(quoted));
	return error_set(err, r, f->is_boolean ? "invalid boolean value %s for -%s: %s" :
						 "invalid value %s for flag -%s: %s",
			 quoted, f->name, why.text);
}

/* @word is one with a - in front, *next what follows it. Returns as goflag_parse(). */
static int parse_one(const char *word, char ***next, const struct goflag *flags,
		     struct error *err)
{
	const char *name = word + (word[1] == '-' ? 2 : 1);
	const char *value = NULL;
	const struct goflag *f;
	size_t len;

	if (!*name || *name == '-' || *name == '=')
		return error_set(err, -EINVAL, "bad flag syntax: %s", word);
	len = strcspn(name, "=");
	if (name[len])
		value = name + len + 1;
	f = find(flags, name, len);
	if (!f && (strncmp(name, "h", len) == 0 || (len == 4 && !strncmp(name, "help", 4))))
		return 1;
	if (!f)
		return error_set(err, -EINVAL, "flag provided but not defined: -%.*s",
				 (int)len, name);
	if (!value)
		value = f->is_boolean ? "true" : **next ? *(*next)++ : NULL;
	if (!value)
		return error_set(err, -EINVAL, "flag needs an argument: -%s", f->name);
	return set(f, value, err);
}

int goflag_parse(char **argv, const struct goflag *flags, struct error *err)
{
	char **next = argv;
	int r = 0;

	while (r == 0 && *next && (*next)[0] == '-' && (*next)[1] &&
	       strcmp(*next, "--") != 0) {
		const char *word = *next++;

		r = parse_one(word, &next, flags, err);
	}
	return r;
}

int goflag_int(void *to, const char *value, struct error *err)
{
	long n;
	char *end;

	errno = 0;
	n = strtol(value, &end, 0);
	if (isspace((unsigned char)*value) || end == value || *end)
		return error_set(err, -EINVAL, "parse error");
	if (errno || n < INT_MIN || n > INT_MAX)
		return error_set(err, -EINVAL, "value out of range");
	*(int *)to = (int)n;
	return 0;
}

int goflag_bool(void *to, const char *value, struct error *err)
{
	static const char *const words[][6] = {
		{ "0", "f", "F", "false", "FALSE", "False" },
		{ "1", "t", "T", "true", "TRUE", "True" },
	};

	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 6; j++) {
			if (strcmp(value, words[i][j]) == 0) {
				*(bool *)to = i;
				return 0;
			}
		}
	}
	return error_set(err, -EINVAL, "parse error");
}

int goflag_string(void *to, const char *value, struct error *err)
{
	*(const char **)to = value;
	return 0;
}

int goflag_addr(void *to, const char *value, struct error *err)
{
	if (addr_parse(value, to) < 0)
		return error_set(err, -EINVAL, "invalid IP address: %s", value);
	return 0;
}
