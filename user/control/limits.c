/* SPDX-License-Identifier: Apache-2.0 */
#include "control/limits.h"

#include <errno.h>
#include <string.h>

#include "datapath/datapath.h"

struct json *limits_json(const struct limits *limits)
{
	struct json *object = json_new_object();

	for (int i = 0; i < LIMITS; i++) {
		if (limits->of[i] == LIMIT_OFF)
			json_add_string(object, limit_keys[i], "off");
		else if (limits->of[i])
			json_add_uint(object, limit_keys[i], limits->of[i]);
	}
	return object;
}

static int read_limit(const struct json *value, const char *key, uint32_t *ret,
		      struct error *err)
{
	const char *text = json_string(value);
	int64_t n;

	if (text && strcmp(text, "off") == 0)
		n = LIMIT_OFF;
	else if (json_int(value, 1, LIMIT_MAX, &n) < 0)
		return error_set(err, -EINVAL, "limit \"%s\" is neither a number from 1 to %d nor "
				 "\"off\"", key, LIMIT_MAX);
	*ret = (uint32_t)n;
	return 0;
}

int limits_read(const struct json *object, struct limits *ret, struct error *err)
{
	const struct json *limits = json_get(object, "limits");
	const char *other = json_other_key(limits, limit_keys);
	int r = 0;

	if (!json_has(object, "limits"))
		return 0;
	if (!json_is_object(limits))
		return error_set(err, -EINVAL, "\"limits\" is not an object as "
				 "{\"connections\":100}");
	if (other)
		return error_set(err, -EINVAL, "there is no limit \"%.64s\": use connections, "
				 "connect_rate, half_open, udp_sessions or idle_timeout", other);
	for (int i = 0; i < LIMITS && r >= 0; i++)
		if (json_has(limits, limit_keys[i]))
			r = read_limit(json_get(limits, limit_keys[i]), limit_keys[i],
				       &ret->of[i], err);
	return r;
}

void datapath_add_json(struct json *object, const struct port_spec *spec)
{
	if (spec->datapath)
		json_add_string(object, "datapath", datapath_name(spec->datapath));
}

int datapath_read(const struct json *object, struct port_spec *specs, size_t n, struct error *err)
{
	const char *text = json_string(json_get(object, "datapath"));
	enum datapath datapath;
	int r;

	if (!json_has(object, "datapath"))
		return 0;
	r = datapath_parse(text ? text : "", &datapath, err);
	for (size_t i = 0; i < n && r >= 0; i++)
		specs[i].datapath = (uint8_t)datapath;
	return r;
}
