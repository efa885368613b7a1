/* SPDX-License-Identifier: Apache-2.0 */
#include "control/take_over.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/limits.h"

static const struct {
	const char *name;
	const char *keys[5];
} steps[] = {
	[TAKE_OVER_SOCKETS] = { "sockets", { "rule", "protocol", "container_port", "count" } },
	[TAKE_OVER_COMMIT] = { "commit", { NULL } },
	[TAKE_OVER_SESSIONS] = { "sessions", { "after" } },
	[TAKE_OVER_DONE] = { "done", { NULL } },
};

#define STEPS (sizeof(steps) / sizeof(*steps))

const char *take_over_step_name(enum take_over_step step)
{
	return steps[step].name;
}

struct json *take_over_request_json(const struct take_over_request *request)
{
	struct json *json = json_new_object(), *arguments = json_new_object();

	if (request->step == TAKE_OVER_SOCKETS) {
		json_add_uint(arguments, "rule", request->rule);
		json_add_string(arguments, "protocol", request->udp ? "udp" : "tcp");
		json_add_uint(arguments, "container_port", request->container_port);
		json_add_uint(arguments, "count", request->count);
	} else if (request->step == TAKE_OVER_SESSIONS) {
		json_add_uint(arguments, "after", request->after);
	}
	json_add_string(json, "execute", steps[request->step].name);
	json_add(json, "arguments", arguments);
	return json;
}

static int read_number(const struct json *object, const char *key, int64_t min, int64_t max,
		       uint32_t *ret, struct error *err)
{
	int64_t n;

	if (json_int(json_get(object, key), min, max, &n) < 0)
		return error_set(err, -EINVAL, "\"%s\" is not a number from %lld to %lld", key,
				 (long long)min, (long long)max);
	*ret = (uint32_t)n;
	return 0;
}

static int read_udp(const struct json *object, bool *ret, struct error *err)
{
	const char *protocol = json_string(json_get(object, "protocol"));

	if (!protocol || (strcmp(protocol, "udp") != 0 && strcmp(protocol, "tcp") != 0))
		return error_set(err, -EINVAL, "\"protocol\" is neither \"tcp\" nor \"udp\"");
	*ret = *protocol == 'u';
	return 0;
}

static int read_sockets(const struct json *arguments, struct take_over_request *request,
			struct error *err)
{
	uint32_t port = 0, count = 0;
	int r = read_udp(arguments, &request->udp, err);

	if (r >= 0)
		r = read_number(arguments, "rule", 1, UINT32_MAX, &request->rule, err);
	if (r >= 0)
		r = read_number(arguments, "container_port", 1, UINT16_MAX, &port, err);
	if (r >= 0)
		r = read_number(arguments, "count", 1, TAKE_OVER_BATCH, &count, err);
	request->container_port = (uint16_t)port;
	request->count = (uint16_t)count;
	return r;
}

static int read_request(const struct json *json, struct take_over_request *request,
			struct error *err)
{
	const char *name = json_string(json_get(json, "execute")), *other;
	const struct json *arguments = json_get(json, "arguments");
	size_t i = 0;

	while (i < STEPS && (!name || strcmp(name, steps[i].name) != 0))
		i++;
	if (i == STEPS)
		return error_set(err, -EINVAL, "\"%.64s\" is no step of a take-over",
				 name ? name : "");
	request->step = (enum take_over_step)i;
	other = json_other_key(arguments, steps[i].keys);
	if (other)
		return error_set(err, -EINVAL, "%s takes no argument \"%.64s\"", name, other);
	if (request->step == TAKE_OVER_SOCKETS)
		return read_sockets(arguments, request, err);
	if (request->step == TAKE_OVER_SESSIONS)
		return read_number(arguments, "after", 0, UINT32_MAX, &request->after, err);
	return 0;
}

int take_over_request_parse(const char *text, size_t len, struct take_over_request *ret,
			    struct error *err)
{
	struct take_over_request request = { 0 };
	struct json *json = NULL;
	int r = json_parse(text, len, &json, err);

	if (r >= 0)
		r = read_request(json, &request, err);
	json_free(json);
	if (r < 0)
		return error_wrap(err, r, "bad request");
	*ret = request;
	return 0;
}

struct json *take_over_state_json(uint32_t last_id, const char *netns)
{
	struct json *state = json_new_object();

	json_add_uint(state, "version", TAKE_OVER_VERSION);
	json_add_uint(state, "last_id", last_id);
	json_add_string(state, "netns", netns);
	return state;
}

struct json *take_over_rule_json(const struct take_over_rule *rule)
{
	struct json *one = json_new_object();
	char text[SPEC_FORMAT_MAX];

	json_add_uint(one, "id", rule->id);
	json_add_string(one, "asked", spec_format(&rule->asked, text, sizeof(text)));
	json_add_string(one, "bound", spec_format(&rule->bound, text, sizeof(text)));
	if (limits_given(&rule->limits))
		json_add(one, "limits", limits_json(&rule->limits));
	datapath_add_json(one, &rule->asked);
	return one;
}

static int read_spec(const struct json *object, const char *key, struct port_spec *ret,
		     struct error *err)
{
	const char *text = json_string(json_get(object, key));

	if (!text)
		return error_set(err, -EINVAL, "\"%s\" is no port spec", key);
	return spec_parse(text, ret, err);
}

/* Only a free port, which was asked for without a number, is bound with one. */
static bool is_bound_as_asked(const struct take_over_rule *rule)
{
	const struct port_spec *asked = &rule->asked, *bound = &rule->bound;

	return spec_same_host(asked, bound) &&
	       (!asked->host_port || asked->host_port == bound->host_port) &&
	       asked->container_port == bound->container_port && asked->count == bound->count &&
	       asked->protos == bound->protos;
}

static int read_rule(const struct json *json, uint32_t before, uint32_t last,
		     struct take_over_rule *rule, struct error *err)
{
	int r = read_number(json, "id", (int64_t)before + 1, last, &rule->id, err);

	if (r >= 0)
		r = read_spec(json, "asked", &rule->asked, err);
	if (r >= 0)
		r = read_spec(json, "bound", &rule->bound, err);
	if (r >= 0)
		r = limits_read(json, &rule->limits, err);
	if (r >= 0)
		r = datapath_read(json, &rule->asked, 1, err);
	rule->bound.datapath = rule->asked.datapath;
	if (r >= 0 && !rule->bound.host_port)
		r = error_set(err, -EINVAL, "rule %u is bound to no port", rule->id);
	if (r >= 0 && !is_bound_as_asked(rule))
		r = error_set(err, -EINVAL, "rule %u is not bound as it was asked for", rule->id);
	return r;
}

static int read_rules(const struct json *list, struct take_over_state *state, struct error *err)
{
	uint32_t before = 0;
	int r = 0;

	state->rules = calloc(json_len(list) + 1, sizeof(*state->rules));
	if (!state->rules)
		return error_errno(err, -ENOMEM, "%zu rules", json_len(list));
	while (state->n < json_len(list) && r >= 0) {
		struct take_over_rule *rule = &state->rules[state->n];

		r = read_rule(json_at(list, state->n), before, state->last_id, rule, err);
		before = rule->id;
		state->n++;
	}
	return r;
}

int take_over_state_parse(const struct json *value, struct take_over_state *ret,
			  struct error *err)
{
	struct take_over_state state = { 0 };
	const char *netns = json_string(json_get(value, "netns"));
	uint32_t unused;
	int r = read_number(value, "version", TAKE_OVER_VERSION, TAKE_OVER_VERSION, &unused, err);

	if (r >= 0)
		r = read_number(value, "last_id", 0, UINT32_MAX, &state.last_id, err);
	if (r >= 0)
		r = read_rules(json_get(value, "rules"), &state, err);
	if (r < 0) {
		take_over_state_done(&state);
		return error_wrap(err, r, "bad reply");
	}
	snprintf(state.netns, sizeof(state.netns), "%s", netns ? netns : "");
	*ret = state;
	return 0;
}

void take_over_state_done(struct take_over_state *state)
{
	free(state->rules);
	*state = (struct take_over_state){ 0 };
}

static struct json *text_of(const struct in6_addr *address)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(AF_INET6, address, text, sizeof(text));
	return json_new_string(text);
}

struct json *take_over_sessions_json(const struct forwarder_sessions *sessions)
{
	struct json *json = json_new_object(), *list = json_new_array();

	for (uint32_t i = 0; i < sessions->n; i++) {
		const struct forwarder_session *s = &sessions->list[i];
		struct json *one = json_new_object();

		json_add_uint(one, "rule", s->rule);
		json_add_uint(one, "container_port", s->container_port);
		json_add(one, "replied", json_new_boolean(s->is_replied));
		json_add(one, "client", text_of(&s->client));
		json_add_uint(one, "client_port", ntohs(s->client_port));
		json_add(one, "local", text_of(&s->local));
		json_add_uint(one, "scope", s->scope);
		json_append(list, one);
	}
	json_add_uint(json, "after", sessions->after);
	json_add(json, "sessions", list);
	return json;
}

static int read_address(const struct json *object, const char *key, struct in6_addr *ret,
			struct error *err)
{
	const char *text = json_string(json_get(object, key));

	if (!text || inet_pton(AF_INET6, text, ret) != 1)
		return error_set(err, -EINVAL, "\"%s\" is not an address", key);
	return 0;
}

static int read_session(const struct json *json, struct forwarder_session *s, struct error *err)
{
	uint32_t port = 0, client_port = 0;
	int r = read_number(json, "rule", 1, UINT32_MAX, &s->rule, err);

	if (r >= 0)
		r = read_number(json, "container_port", 1, UINT16_MAX, &port, err);
	if (r >= 0)
		r = read_number(json, "client_port", 0, UINT16_MAX, &client_port, err);
	if (r >= 0)
		r = read_number(json, "scope", 0, UINT32_MAX, &s->scope, err);
	if (r >= 0)
		r = read_address(json, "client", &s->client, err);
	if (r >= 0)
		r = read_address(json, "local", &s->local, err);
	if (r >= 0 && json_boolean(json_get(json, "replied"), &s->is_replied) < 0)
		r = error_set(err, -EINVAL, "\"replied\" is neither true nor false");
	s->container_port = (uint16_t)port;
	s->client_port = htons((uint16_t)client_port);
	return r;
}

int take_over_sessions_parse(const struct json *value, struct forwarder_sessions *ret,
			     struct error *err)
{
	const struct json *list = json_get(value, "sessions");
	struct forwarder_sessions sessions = { 0 };
	int r = read_number(value, "after", 0, UINT32_MAX, &sessions.after, err);

	if (r >= 0 && json_len(list) > FORWARDER_SESSIONS_PAGE)
		r = error_set(err, -EINVAL, "%zu sessions at once", json_len(list));
	while (r >= 0 && sessions.n < json_len(list)) {
		r = read_session(json_at(list, sessions.n), &sessions.list[sessions.n], err);
		sessions.n++;
	}
	if (r < 0)
		return error_wrap(err, r, "bad reply");
	*ret = sessions;
	return 0;
}
