/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/answers.h"

#include <errno.h>

#include "base/timer.h"
#include "supervisor/container.h"
#include "supervisor/supervisor.h"
#include "supervisor/targets.h"

struct json *answer_rule(uint32_t id, const struct port_spec *bound)
{
	struct json *rule = json_new_object();
	char text[SPEC_FORMAT_MAX], host[ADDR_TEXT_MAX] = "";
	bool tcp = bound->protos & PROTO_TCP, udp = bound->protos & PROTO_UDP;

	if (bound->host_addr.family)
		addr_format(&bound->host_addr, host);
	json_add_uint(rule, "id", id);
	json_add_string(rule, "spec", spec_format(bound, text, sizeof(text)));
	json_add_string(rule, "host_ip", host);
	if (*bound->device)
		json_add_string(rule, "interface", bound->device);
	json_add_uint(rule, "host_port", bound->host_port);
	json_add_uint(rule, "container_port", bound->container_port);
	json_add_uint(rule, "range", bound->count);
	json_add_string(rule, "protocol", tcp && udp ? "tcp,udp" : udp ? "udp" : "tcp");
	return rule;
}

static void append_addr(struct json *list, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];
	struct json *one;

	if (!a->family)
		return;
	one = json_new_string(addr_format(a, text));
	json_append(list, one);
}

struct json *answer_child_ips(const struct addr *child4, const struct addr *child6)
{
	struct json *list = json_new_array();

	append_addr(list, child4);
	append_addr(list, child6);
	return list;
}

static void add_counts(struct json *to, const struct forwarder_counts *c)
{
	json_add_uint(to, "accepted", c->accepted);
	json_add_uint(to, "refused", c->refused);
	json_add_uint(to, "up_relayed", c->up.relayed);
	json_add_uint(to, "up_redirected", c->up.redirected);
	json_add_uint(to, "down_relayed", c->down.relayed);
	json_add_uint(to, "down_redirected", c->down.redirected);
	json_add_uint(to, "captured", c->captured);
	json_add_uint(to, "fallback", c->fallback);
	json_add_uint(to, "released", c->released);
}

/* Of a rule for one protocol, the limits of the other cannot be reached. */
static bool has_limit(unsigned int protos, int limit)
{
	return protos & (limit == LIMIT_UDP_SESSIONS ? PROTO_UDP : PROTO_TCP);
}

/* Those that are off are left out, whatever was counted. */
static void add_limits(struct json *to, const struct forwarder_limits *l, unsigned int protos,
		       bool reached)
{
	struct json *limits = json_new_object(), *counts = reached ? json_new_object() : NULL;

	for (int i = 0; i < LIMITS; i++) {
		if (l->limits.of[i] == LIMIT_OFF || !has_limit(protos, i))
			continue;
		json_add_uint(limits, limit_keys[i], l->limits.of[i]);
		if (counts)
			json_add_uint(counts, limit_keys[i], l->reached[i]);
	}
	json_add(to, "limits", limits);
	if (counts)
		json_add(to, "reached", counts);
}

static void sum_up(struct forwarder_counts *to, const struct forwarder_counts *c)
{
	to->accepted += c->accepted;
	to->refused += c->refused;
	to->up.relayed += c->up.relayed;
	to->up.redirected += c->up.redirected;
	to->down.relayed += c->down.relayed;
	to->down.redirected += c->down.redirected;
	to->captured += c->captured;
	to->fallback += c->fallback;
	to->released += c->released;
}

/* What is collected from the pages. */
struct collected {
	struct json *rules;
	struct forwarder_counts total;
	struct forwarder_limits limits;
	uint64_t connections;
	uint32_t only; /* this rule; 0: all */
	bool counts;
	const char *datapath;
	struct addr target4, target6;
};

static void collect_rule(struct collected *c, const struct forwarder_rule *rule)
{
	struct json *one;

	sum_up(&c->total, &rule->counts);
	c->connections += rule->connections;
	if (c->only && c->only != rule->id)
		return;
	one = answer_rule(rule->id, &rule->spec);
	json_add_string(one, "state", rule->is_removed ? "draining" : "open");
	json_add_uint(one, "connections", rule->connections);
	/* datagrams have one way, whatever the datapath is */
	if (rule->spec.protos & PROTO_TCP)
		json_add_string(one, "datapath", datapath_name(rule->datapath));
	if (c->counts)
		add_counts(one, &rule->counts);
	add_limits(one, &rule->limits, rule->spec.protos, c->counts);
	json_append(c->rules, one);
}

static int collect(struct supervisor *s, struct collected *c, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_RULES };
	uint64_t began = timer_now();
	struct forwarder_reply reply;
	int r;

	c->rules = json_new_array();
	do {
		r = forwarder_page(&s->forwarder, &request, &reply, began, err);
		if (r < 0) {
			json_free(c->rules);
			return r;
		}
		c->datapath = datapath_name(reply.rules.datapath);
		c->target4 = reply.rules.target4;
		c->target6 = reply.rules.target6;
		c->limits = reply.rules.limits;
		for (uint32_t i = 0; i < reply.rules.n; i++) {
			collect_rule(c, &reply.rules.list[i]);
			request.rules.after = reply.rules.list[i].id;
		}
	} while (reply.rules.n == FORWARDER_PAGE);
	sum_up(&c->total, &reply.rules.past);
	return 0;
}

/* They are published, but not by the forwarder. */
static void list_hostfwd(struct supervisor *s, struct json *rules)
{
	for (size_t i = 0; i < s->published.n; i++) {
		const struct published *p = &s->published.list[i];
		struct json *one = answer_rule(p->id, &p->bound);

		json_add_string(one, "state", "open");
		json_add_string(one, "datapath", "slirp4netns");
		json_append(rules, one);
	}
}

int answer_list(struct supervisor *s, struct json **ret, struct error *err)
{
	struct collected c = { 0 };
	int r = collect(s, &c, err);

	if (r < 0)
		return r;
	if (json_len(c.rules) == 0)
		list_hostfwd(s, c.rules);
	targets_named(s->forwarder.told.first, &c.target4, &c.target6);
	*ret = json_new_object();
	json_add(*ret, "rules", c.rules);
	json_add(*ret, "child_ips", answer_child_ips(&c.target4, &c.target6));
	json_add(*ret, "warnings", container_warnings(s, &c.target4, &c.target6));
	return 0;
}

static struct json *endpoint(const struct addr *a, uint16_t port)
{
	char text[ADDR_TEXT_MAX];

	return json_new_string(a->family ? addr_format_port(a, port, text) : "");
}

static struct json *connection(const struct forwarder_connection *c)
{
	struct json *one = json_new_object();

	json_add_uint(one, "id", c->id);
	json_add_uint(one, "rule", c->rule);
	json_add_string(one, "state", c->is_connecting ? "connecting" : "open");
	json_add(one, "client", endpoint(&c->client, c->client_port));
	json_add(one, "host", endpoint(&c->host, c->host_port));
	json_add(one, "container", endpoint(&c->container, c->container_port));
	json_add_uint(one, "up_relayed", c->up.relayed);
	json_add_uint(one, "up_redirected", c->up.redirected);
	json_add_uint(one, "down_relayed", c->down.relayed);
	json_add_uint(one, "down_redirected", c->down.redirected);
	return one;
}

static int list_connections(struct supervisor *s, uint32_t rule, uint32_t limit,
			    struct json *list, struct error *err)
{
	struct forwarder_request request = {
		.type = FORWARDER_CONNECTIONS,
		.connections = { .rule = rule, .before = UINT64_MAX, .only = rule != 0 },
	};
	uint64_t began = timer_now();
	struct forwarder_reply reply;
	int r;

	do {
		r = forwarder_page(&s->forwarder, &request, &reply, began, err);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < reply.open.n && limit; i++, limit--) {
			json_append(list, connection(&reply.open.list[i]));
			request.connections.rule = reply.open.list[i].rule;
			request.connections.before = reply.open.list[i].id;
		}
	} while (reply.open.n == FORWARDER_PAGE && limit);
	return 0;
}

int answer_stats(struct supervisor *s, const struct control_request *request,
		 struct json **ret, struct error *err)
{
	struct collected c = { .only = request->id, .counts = true };
	struct json *total, *connections;
	int r = collect(s, &c, err);

	if (r < 0)
		return r;
	total = json_new_object();
	json_add_uint(total, "connections", c.connections);
	add_counts(total, &c.total);
	add_limits(total, &c.limits, PROTO_TCP | PROTO_UDP, true);
	connections = request->connections ? json_new_array() : NULL;
	*ret = json_new_object();
	json_add_string(*ret, "datapath", c.datapath);
	json_add(*ret, "total", total);
	json_add(*ret, "rules", c.rules);
	if (connections)
		json_add(*ret, "connections", connections);
	if (request->id && !json_len(c.rules))
		r = error_set(err, -ENOENT, "there is no rule %u", request->id);
	else if (connections)
		r = list_connections(s, request->id, request->connections, connections, err);
	if (r < 0)
		json_free(*ret);
	return r < 0 ? r : 0;
}
