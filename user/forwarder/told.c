/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/datapath.h"

/* How many removed rules are kept before a list is asked for, at least. */
#define REMOVED_MAX 256

int forwarder_told_reserve(struct forwarder_told *told, size_t n)
{
	size_t room = told->room ? told->room : 16;
	struct forwarder_told_rule *rules;

	while (room < told->n + n)
		room *= 2;
	if (room == told->room)
		return 0;
	rules = realloc(told->rules, room * sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	told->rules = rules;
	told->room = room;
	return 0;
}

void forwarder_told_done(struct forwarder_told *told)
{
	free(told->rules);
	*told = (struct forwarder_told){ 0 };
}

/* The first rule whose id is not below @id, or the end. */
static size_t position(const struct forwarder_told *told, uint32_t id)
{
	size_t low = 0, high = told->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (told->rules[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct forwarder_told_rule *find(const struct forwarder_told *told, uint32_t id)
{
	size_t i = position(told, id);

	return i < told->n && told->rules[i].id == id ? &told->rules[i] : NULL;
}

const struct forwarder_told_rule *forwarder_told_find(const struct forwarder_told *told,
						      uint32_t id)
{
	return find(told, id);
}

/* Of several requests for one rule, each has some of its sockets, the first one counts. */
static void add(struct forwarder_told *told, uint32_t id, const struct port_spec *spec)
{
	size_t i = position(told, id);

	if (i < told->n && told->rules[i].id == id)
		return;
	memmove(&told->rules[i + 1], &told->rules[i], (told->n - i) * sizeof(*told->rules));
	told->n++;
	told->rules[i] = (struct forwarder_told_rule){
		.id = id,
		.spec = *spec,
		.limits = told->each,
	};
}

static void forget(struct forwarder_told *told, struct forwarder_told_rule *rule)
{
	size_t i = (size_t)(rule - told->rules);

	told->n_removed -= rule->is_removed;
	told->n--;
	memmove(rule, rule + 1, (told->n - i) * sizeof(*rule));
}

static void remove_rule(struct forwarder_told *told, const struct forwarder_removal *removal)
{
	struct forwarder_told_rule *rule = find(told, removal->rule);

	if (!rule)
		return;
	if (!removal->drain) {
		forget(told, rule);
		return;
	}
	told->n_removed += !rule->is_removed;
	rule->is_removed = true;
}

/* For another portshunt: the rules that have connections are the removed ones. */
static void leave(struct forwarder_told *told)
{
	for (size_t i = 0; i < told->n; i++)
		told->rules[i].is_removed = true;
	told->n_removed = told->n;
}

static void open_rule(struct forwarder_told *told, uint32_t id, const struct limits *limits)
{
	struct forwarder_told_rule *rule = find(told, id);

	if (rule)
		limits_merge(&rule->limits, limits);
}

static void setup(struct forwarder_told *told, const struct forwarder_request *request)
{
	for (int i = 0; i < LIMITS; i++)
		told->all.of[i] = told->each.of[i] = LIMIT_OFF;
	limits_merge(&told->all, &request->setup.all);
	limits_merge(&told->each, &request->setup.each);
	told->datapath = request->setup.datapath;
}

void forwarder_told_request(struct forwarder_told *told, const struct forwarder_request *request)
{
	switch (request->type) {
	case FORWARDER_SETUP:
		setup(told, request);
		break;
	case FORWARDER_LISTEN:
		add(told, request->listen.rule, &request->listen.spec);
		break;
	case FORWARDER_START:
		told->target4 = request->start.target4;
		told->target6 = request->start.target6;
		told->first = request->start.first;
		break;
	case FORWARDER_OPEN:
		open_rule(told, request->open.rule, &request->open.limits);
		break;
	case FORWARDER_REMOVE:
		remove_rule(told, &request->remove);
		break;
	case FORWARDER_LEAVE:
		leave(told);
		break;
	default:
		break;
	}
}

/* Those that @reply, the page of rules after @after, should have and has not. */
static void forget_missing(struct forwarder_told *told, uint32_t after,
			   const struct forwarder_reply *reply)
{
	uint32_t n = reply->rules.n, at = 0, last = UINT32_MAX;
	size_t kept, i;

	if (n == FORWARDER_PAGE)
		last = reply->rules.list[n - 1].id;
	i = kept = after == UINT32_MAX ? told->n : position(told, after + 1);
	for (; i < told->n && told->rules[i].id <= last; i++) {
		const struct forwarder_told_rule *rule = &told->rules[i];

		while (at < n && reply->rules.list[at].id < rule->id)
			at++;
		if (rule->is_removed && (at == n || reply->rules.list[at].id != rule->id))
			told->n_removed--;
		else
			told->rules[kept++] = *rule;
	}
	memmove(&told->rules[kept], &told->rules[i], (told->n - i) * sizeof(*told->rules));
	told->n -= i - kept;
	if (n < FORWARDER_PAGE)
		told->removed_max = 2 * told->n_removed;
}

void forwarder_told_reply(struct forwarder_told *told, const struct forwarder_request *request,
			  const struct forwarder_reply *reply)
{
	struct forwarder_told_rule *rule;

	if (request->type == FORWARDER_RULES && reply->error >= 0 && told->n) {
		forget_missing(told, request->rules.after, reply);
	} else if (request->type == FORWARDER_REMOVE &&
		   (reply->error < 0 || !reply->connections)) {
		rule = find(told, request->remove.rule);
		if (rule && rule->is_removed)
			forget(told, rule);
	}
}

bool forwarder_told_is_full(const struct forwarder_told *told)
{
	return told->n_removed > REMOVED_MAX && told->n_removed > told->removed_max;
}

static bool is_spec(const struct port_spec *a, const struct port_spec *b)
{
	return spec_same_host(a, b) && a->host_port == b->host_port &&
	       a->container_port == b->container_port && a->count == b->count &&
	       a->protos == b->protos && a->datapath == b->datapath && a->freebind == b->freebind;
}

static bool is_limits(const struct limits *a, const struct limits *b)
{
	return memcmp(a->of, b->of, sizeof(a->of)) == 0;
}

bool forwarder_told_has_rule(const struct forwarder_told *told, const struct forwarder_rule *rule)
{
	const struct forwarder_told_rule *t = find(told, rule->id);

	return t && t->is_removed == rule->is_removed && is_spec(&t->spec, &rule->spec) &&
	       (t->spec.datapath <= DATAPATH_AUTO || rule->datapath == t->spec.datapath) &&
	       is_limits(&t->limits, &rule->limits.limits);
}

bool forwarder_is_of_rule(const struct forwarder_connection *c, const struct port_spec *spec)
{
	int host = c->host_port - spec->host_port;
	int container = c->container_port - spec->container_port;

	if (c->host.family && (host < 0 || (uint32_t)host >= spec->count))
		return false;
	if (c->container.family && (container < 0 || (uint32_t)container >= spec->count))
		return false;
	return !c->host.family || !c->container.family || host == container;
}

bool forwarder_told_has_connection(const struct forwarder_told *told,
				   const struct forwarder_connection *connection)
{
	const struct forwarder_told_rule *t = find(told, connection->rule);

	return t && t->spec.protos & PROTO_TCP && forwarder_is_of_rule(connection, &t->spec);
}

bool forwarder_told_has_session(const struct forwarder_told *told,
				const struct forwarder_session *session)
{
	const struct forwarder_told_rule *t = find(told, session->rule);
	uint32_t at;

	if (!t || t->is_removed || !(t->spec.protos & PROTO_UDP))
		return false;
	at = (uint32_t)session->container_port - t->spec.container_port;
	return at < t->spec.count;
}

static bool is_target(const struct addr *a, const struct addr *told)
{
	return !a->family || addr_equal(a, told);
}

bool forwarder_told_has_state(const struct forwarder_told *told,
			      const struct forwarder_reply *reply)
{
	if (told->datapath > DATAPATH_AUTO && reply->rules.datapath != told->datapath)
		return false;
	return is_target(&reply->rules.target4, &told->target4) &&
	       is_target(&reply->rules.target6, &told->target6) &&
	       is_limits(&reply->rules.limits.limits, &told->all);
}
