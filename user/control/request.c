/* SPDX-License-Identifier: Apache-2.0 */
#include "control/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "control/limits.h"

static int read_number(const struct json *arguments, const char *key, int64_t min,
		       int64_t max, uint32_t *ret, struct error *err)
{
	int64_t n;

	if (!json_has(arguments, key))
		return 0;
	if (json_int(json_get(arguments, key), min, max, &n) < 0)
		return error_set(err, -EINVAL, "\"%s\" is not a number from %lld to %lld", key,
				 (long long)min, (long long)max);
	*ret = (uint32_t)n;
	return 0;
}

static int read_spec(const struct json *value, struct control_request *request,
		     struct error *err)
{
	const char *text = json_string(value);

	if (!text)
		return error_set(err, -EINVAL, "a port spec is a string, as \"8080:80\"");
	return spec_parse(text, &request->specs[request->n_specs++], err);
}

static int read_specs(const struct json *arguments, struct control_request *request,
		      struct error *err)
{
	const struct json *list = json_get(arguments, "specs");
	size_t n = json_has(arguments, "spec") ? 1 : json_len(list);
	int r = 0;

	request->specs = calloc(n + 1, sizeof(*request->specs));
	if (!request->specs)
		return error_errno(err, -ENOMEM, "%zu port specs", n);
	if (json_has(arguments, "spec"))
		return read_spec(json_get(arguments, "spec"), request, err);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = read_spec(json_at(list, i), request, err);
	return r;
}

static int read_freebind(const struct json *arguments, struct control_request *request,
			 struct error *err)
{
	bool freebind;

	if (!json_has(arguments, "freebind"))
		return 0;
	if (json_boolean(json_get(arguments, "freebind"), &freebind) < 0)
		return error_set(err, -EINVAL, "\"freebind\" is neither true nor false");
	for (size_t i = 0; i < request->n_specs; i++)
		request->specs[i].freebind = freebind;
	return 0;
}

static int read_add(const struct json *arguments, struct control_request *request,
		    struct error *err)
{
	int r = limits_read(arguments, &request->limits, err);

	if (r < 0)
		return r;
	if (json_has(arguments, "spec") == json_has(arguments, "specs"))
		return error_set(err, -EINVAL, "add wants either \"spec\" or \"specs\"");
	if (json_has(arguments, "specs") && !json_len(json_get(arguments, "specs")))
		return error_set(err, -EINVAL, "\"specs\" is not a list of port specs");
	r = read_specs(arguments, request, err);
	if (r >= 0)
		r = datapath_read(arguments, request->specs, request->n_specs, err);
	return r < 0 ? r : read_freebind(arguments, request, err);
}

static int read_remove(const struct json *arguments, struct control_request *request,
		       struct error *err)
{
	uint32_t port = 0;
	int r = 0;

	if (json_has(arguments, "id") + json_has(arguments, "host_port") +
		    json_has(arguments, "spec") != 1)
		return error_set(err, -EINVAL,
				 "remove wants one of \"id\", \"host_port\" and \"spec\"");
	if (json_has(arguments, "drain") &&
	    json_boolean(json_get(arguments, "drain"), &request->drain) < 0)
		return error_set(err, -EINVAL, "\"drain\" is neither true nor false");
	if (json_has(arguments, "timeout") && !request->drain)
		return error_set(err, -EINVAL, "\"timeout\" goes with \"drain\":true");
	if (json_has(arguments, "spec"))
		r = read_specs(arguments, request, err);
	if (r >= 0)
		r = read_number(arguments, "id", 1, UINT32_MAX, &request->id, err);
	if (r >= 0)
		r = read_number(arguments, "host_port", 1, UINT16_MAX, &port, err);
	if (r >= 0)
		r = read_number(arguments, "timeout", 1, CONTROL_TIMEOUT_MAX, &request->timeout, err);
	request->host_port = (uint16_t)port;
	return r;
}

static int read_list(const struct json *arguments, struct control_request *request,
		     struct error *err)
{
	return 0;
}

static int read_stats(const struct json *arguments, struct control_request *request,
		      struct error *err)
{
	int r = read_number(arguments, "id", 1, UINT32_MAX, &request->id, err);

	return r < 0 ? r : read_number(arguments, "connections", 0, CONTROL_CONNECTIONS_MAX,
				       &request->connections, err);
}

static int read_child(const char *text, struct control_request *request, struct error *err)
{
	struct addr a, *to;

	if (!text || addr_parse(text, &a) < 0)
		return error_set(err, -EINVAL, "\"%s\" is not an IP address", text ? text : "");
	to = a.family == AF_INET6 ? &request->child6 : &request->child4;
	if (to->family)
		return error_set(err, -EINVAL, "%s: an IPv%c address was given before", text,
				 a.family == AF_INET6 ? '6' : '4');
	*to = a;
	return 0;
}

static int read_reload(const struct json *arguments, struct control_request *request,
		       struct error *err)
{
	const struct json *list = json_get(arguments, "child_ips");
	size_t n = json_len(list);
	int r = 0;

	if (!n)
		return error_set(err, -EINVAL, "reload wants \"child_ips\", a list of addresses");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = read_child(json_string(json_at(list, i)), request, err);
	return r;
}

static int read_take_over(const struct json *arguments, struct control_request *request,
			  struct error *err)
{
	int r;

	if (!json_has(arguments, "version") || !json_has(arguments, "drain_timeout"))
		return error_set(err, -EINVAL, "take-over wants \"version\" and \"drain_timeout\"");
	r = read_number(arguments, "version", 1, UINT32_MAX, &request->version, err);
	return r < 0 ? r : read_number(arguments, "drain_timeout", 0, CONTROL_TIMEOUT_MAX,
				       &request->timeout, err);
}

static const struct {
	const char *name;
	int (*read)(const struct json *arguments, struct control_request *request,
		    struct error *err);
	const char *keys[6];
} table[] = {
	[CONTROL_ADD] = { "add", read_add, { "spec", "specs", "limits", "datapath", "freebind" } },
	[CONTROL_REMOVE] = { "remove", read_remove,
			     { "id", "host_port", "spec", "drain", "timeout" } },
	[CONTROL_LIST] = { "list", read_list, { NULL } },
	[CONTROL_STATS] = { "stats", read_stats, { "id", "connections" } },
	[CONTROL_RELOAD] = { "reload", read_reload, { "child_ips" } },
	[CONTROL_TAKE_OVER] = { "take-over", read_take_over, { "version", "drain_timeout" } },
};

#define TABLE_SIZE (sizeof(table) / sizeof(*table))

const char *control_execute_name(enum control_execute execute)
{
	return table[execute].name;
}

static int read_execute(const struct json *json, enum control_execute *ret, struct error *err)
{
	const char *name = json_string(json_get(json, "execute"));

	if (!name)
		return error_set(err, -EINVAL, "a request is an object as "
				 "{\"execute\":\"list\",\"arguments\":{}}");
	for (size_t i = 0; i < TABLE_SIZE; i++)
		if (strcmp(name, table[i].name) == 0) {
			*ret = (enum control_execute)i;
			return 0;
		}
	return error_set(err, -EINVAL, "cannot execute \"%.64s\": use add, remove, list, stats, "
			 "reload or take-over", name);
}

static int read_request(const struct json *json, struct control_request *request,
			struct error *err)
{
	static const char *const members[] = { "execute", "arguments", NULL };
	const struct json *arguments = json_get(json, "arguments");
	const char *other;
	int r = read_execute(json, &request->execute, err);

	if (r < 0)
		return r;
	other = json_other_key(json, members);
	if (other)
		return error_set(err, -EINVAL, "unknown member \"%.64s\" of a request", other);
	if (arguments && !json_is_object(arguments))
		return error_set(err, -EINVAL, "\"arguments\" is not an object");
	other = json_other_key(arguments, table[request->execute].keys);
	if (other)
		return error_set(err, -EINVAL, "%s takes no argument \"%.64s\"",
				 table[request->execute].name, other);
	return table[request->execute].read(arguments, request, err);
}

int control_request_parse(const char *text, size_t len, struct control_request *ret,
			  struct error *err)
{
	struct control_request request = { 0 };
	struct json *json = NULL;
	int r = json_parse(text, len, &json, err);

	if (r >= 0)
		r = read_request(json, &request, err);
	json_free(json);
	if (r < 0) {
		control_request_done(&request);
		return error_wrap(err, r, "bad request");
	}
	*ret = request;
	return 0;
}

void control_request_done(struct control_request *request)
{
	free(request->specs);
	request->specs = NULL;
}
