/* SPDX-License-Identifier: Apache-2.0 */
#include "rule/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[LIMIT_CONNECTIONS] = "connections",
	[LIMIT_CONNECT_RATE] = "connect-rate",
	[LIMIT_HALF_OPEN] = "half-open",
	[LIMIT_UDP_SESSIONS] = "udp-sessions",
	[LIMIT_IDLE_TIMEOUT] = "idle-timeout",
};

const char *const limit_keys[] = {
	[LIMIT_CONNECTIONS] = "connections",
	[LIMIT_CONNECT_RATE] = "connect_rate",
	[LIMIT_HALF_OPEN] = "half_open",
	[LIMIT_UDP_SESSIONS] = "udp_sessions",
	[LIMIT_IDLE_TIMEOUT] = "idle_timeout",
	[LIMITS] = NULL,
};

const char *limit_name(enum limit limit)
{
	return names[limit];
}

static int parse_name(const char *text, size_t len, bool each, struct error *err)
{
	int i;

	for (i = 0; i < LIMITS; i++)
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
			break;
	if (i == LIMITS)
		return error_set(err, -EINVAL, "there is no limit \"%.*s\": use connections, "
				 "connect-rate, half-open%s udp-sessions%s",
				 len > 64 ? 64 : (int)len, text, each ? "," : " or",
				 each ? " or idle-timeout" : "");
	if (i == LIMIT_IDLE_TIMEOUT && !each)
		return error_set(err, -EINVAL, "idle-timeout is a limit of each rule: "
				 "--rule-limit %.*s", (int)strcspn(text, ","), text);
	return i;
}

static int parse_value(const char *text, size_t len, uint32_t *ret, struct error *err)
{
	uint64_t n = 0;
	size_t i = 0;

	if (len == 3 && memcmp(text, "off", 3) == 0) {
		*ret = LIMIT_OFF;
		return 0;
	}
	for (; i < len && text[i] >= '0' && text[i] <= '9' && n <= LIMIT_MAX; i++)
		n = 10 * n + (uint64_t)(text[i] - '0');
	if (i < len || n < 1 || n > LIMIT_MAX)
		return error_set(err, -EINVAL, "\"%.*s\" is neither a number from 1 to %d nor off",
				 len > 64 ? 64 : (int)len, text, LIMIT_MAX);
	*ret = (uint32_t)n;
	return 0;
}

static int parse_one(const char *text, size_t len, bool each, struct limits *limits,
		     struct error *err)
{
	const char *value = memchr(text, '=', len);
	size_t name = value ? (size_t)(value - text) : len;
	int i = parse_name(text, name, each, err);

	if (i < 0)
		return i;
	if (!value)
		return error_set(err, -EINVAL, "%s wants a value: %s=N or %s=off", names[i],
				 names[i], names[i]);
	return parse_value(value + 1, len - name - 1, &limits->of[i], err);
}

int limits_parse(const char *text, bool each, struct limits *limits, struct error *err)
{
	struct limits parsed = *limits;
	int r = 0;

	for (;;) {
		size_t len = strcspn(text, ",");

		r = parse_one(text, len, each, &parsed, err);
		if (r < 0)
			return r;
		if (!text[len])
			break;
		text += len + 1;
	}
	*limits = parsed;
	return 0;
}

void limits_merge(struct limits *limits, const struct limits *more)
{
	for (int i = 0; i < LIMITS; i++)
		if (more->of[i])
			limits->of[i] = more->of[i];
}

bool limits_given(const struct limits *limits)
{
	bool given = false;

	for (int i = 0; i < LIMITS; i++)
		given |= limits->of[i] != 0;
	return given;
}

const char *limits_format(const struct limits *limits, char text[LIMITS_FORMAT_MAX])
{
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < LIMITS; i++)
		if (limits->of[i] && limits->of[i] != LIMIT_OFF)
			len += (size_t)snprintf(text + len, LIMITS_FORMAT_MAX - len, "%s%s=%u",
						len ? "," : "", names[i], limits->of[i]);
	return text;
}
