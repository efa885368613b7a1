/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what the supervisor and the forwarder say to each other: what is accepted
 * keeps to its bounds, pages are in order, and all of it can be written as text. The input
 * begins with what was asked for: struct asked.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "datapath/datapath.h"
#include "forwarder/protocol.h"
#include "forwarder/told.h"
#include "fuzz/fuzz.h"

struct asked {
	uint8_t type, n_fds, n_requests, only;
	uint32_t last_rule, after;
	uint64_t before;
};

/* Of the rules that were asked for as many as this are known, each with two ports. */
#define KNOWN 64

/* Rules 1 to @last, each second one TCP and UDP, each third one removed. */
static void tell(struct forwarder_told *told, uint32_t last)
{
	*told = (struct forwarder_told){ .target4.family = AF_INET };
	for (int i = 0; i < LIMITS; i++)
		told->all.of[i] = told->each.of[i] = LIMIT_OFF;
	CHECK(forwarder_told_reserve(told, KNOWN) == 0);
	for (uint32_t id = 1; id <= last && id <= KNOWN; id++) {
		struct forwarder_request listen = {
			.type = FORWARDER_LISTEN,
			.listen = {
				.rule = id,
				.count = 2,
				.container_port = 80,
				.spec = {
					.host_port = (uint16_t)(8000 + id),
					.container_port = 80,
					.count = 2,
					.protos = id % 2 ? PROTO_TCP : PROTO_TCP | PROTO_UDP,
				},
			},
		};
		struct forwarder_request removed = {
			.type = FORWARDER_REMOVE,
			.remove = { .rule = id, .drain = true },
		};

		forwarder_told_request(told, &listen);
		if (id % 3 == 0)
			forwarder_told_request(told, &removed);
	}
	CHECK(told->n == (last < KNOWN ? last : KNOWN));
}

static void check_addr(const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	CHECK(a->family == AF_UNSPEC || a->family == AF_INET || a->family == AF_INET6);
	if (a->family)
		CHECK(strlen(addr_format_port(a, UINT16_MAX, text)) < sizeof(text) - 1);
}

static void check_bool(bool b)
{
	CHECK(b == false || b == true);
}

static void check_spec(const struct port_spec *s)
{
	char text[SPEC_FORMAT_MAX];

	CHECK(s->count >= 1 && s->container_port + s->count - 1 <= UINT16_MAX);
	CHECK(s->host_port + s->count - 1 <= UINT16_MAX);
	CHECK(s->datapath <= DATAPATH_SHUNT);
	CHECK(!*s->device || spec_device_is_valid(s->device));
	check_bool(s->freebind);
	CHECK(s->protos >= PROTO_TCP && s->protos <= (PROTO_TCP | PROTO_UDP));
	CHECK(strlen(spec_format(s, text, sizeof(text))) < sizeof(text) - 1);
}

/* One that can be named, and runs. */
static void check_used(uint8_t datapath)
{
	CHECK(datapath > DATAPATH_AUTO && datapath <= DATAPATH_SHUNT);
}

static void check_requests(const struct forwarder_request *requests, size_t len, size_t n_fds)
{
	int n = forwarder_requests_check(requests, len, n_fds);
	size_t shares = 0;

	CHECK(n == -EBADMSG || (n >= 1 && n <= FORWARDER_AT_ONCE));
	for (int i = 0; i < n; i++) {
		const struct forwarder_request *r = &requests[i];

		CHECK((size_t)(i + 1) * sizeof(*r) <= len && r->type < FORWARDER_REQUESTS);
		CHECK(n == 1 || r->type == FORWARDER_LISTEN || r->type == FORWARDER_ADOPT);
		shares += forwarder_request_fds(r);
		if (r->type == FORWARDER_LISTEN) {
			check_spec(&r->listen.spec);
			check_bool(r->listen.udp);
			CHECK(r->listen.count && r->listen.rule);
		}
		if (r->type == FORWARDER_SETUP) {
			CHECK(r->setup.datapath >= DATAPATH_AUTO && r->setup.datapath <= DATAPATH_SHUNT);
			check_bool(r->setup.may_have_udp);
		}
		if (r->type == FORWARDER_START) {
			check_bool(r->start.is_paused);
			check_bool(r->start.is_final);
			CHECK(!r->start.first || (r->start.first == AF_INET ?
				r->start.target4.family == AF_INET :
				r->start.first == AF_INET6 && r->start.target6.family == AF_INET6));
		}
	}
	CHECK(n < 0 || (n_fds <= shares && shares <= FD_PASS_MAX));
}

static void check_rules(const struct forwarder_reply *reply, const struct asked *asked,
			const struct forwarder_told *told)
{
	uint32_t after = asked->after;

	CHECK(reply->rules.n <= FORWARDER_PAGE);
	check_used(reply->rules.datapath);
	check_addr(&reply->rules.target4);
	check_addr(&reply->rules.target6);
	for (uint32_t i = 0; i < reply->rules.n; i++) {
		const struct forwarder_rule *rule = &reply->rules.list[i];

		const struct forwarder_told_rule *t = forwarder_told_find(told, rule->id);

		CHECK(rule->id > after && t && t->is_removed == rule->is_removed);
		check_spec(&rule->spec);
		CHECK(rule->spec.host_port == 8000 + rule->id && rule->spec.container_port == 80);
		check_bool(rule->is_removed);
		check_used(rule->datapath);
		after = rule->id;
	}
}

static void check_connections(const struct forwarder_reply *reply, const struct asked *asked)
{
	uint32_t rule = asked->after;
	uint64_t before = asked->before;

	CHECK(reply->open.n <= FORWARDER_PAGE);
	for (uint32_t i = 0; i < reply->open.n; i++) {
		const struct forwarder_connection *c = &reply->open.list[i];

		CHECK(c->rule > rule || (c->rule == rule && c->id < before));
		CHECK(c->rule <= asked->last_rule && (!asked->only || c->rule == asked->after));
		CHECK(!c->host.family || c->host_port - 8000 - c->rule < 2);
		CHECK(!c->container.family || c->container_port - 80u < 2);
		check_bool(c->is_connecting);
		check_addr(&c->client);
		check_addr(&c->host);
		check_addr(&c->container);
		rule = c->rule;
		before = c->id;
	}
}

static void check_sessions(const struct forwarder_reply *reply, const struct asked *asked)
{
	CHECK(reply->sessions.n <= FORWARDER_SESSIONS_PAGE && asked->n_fds <= reply->sessions.n);
	CHECK(!reply->sessions.after || reply->sessions.after > asked->after);
	for (uint32_t i = 0; i < reply->sessions.n; i++) {
		check_bool(reply->sessions.list[i].is_replied);
		CHECK(reply->sessions.list[i].rule <= asked->last_rule);
		CHECK(reply->sessions.list[i].rule % 2 == 0);
		CHECK(reply->sessions.list[i].container_port - 80u < 2);
	}
}

/* What is known afterwards is less, in order, and what was listed is among it. */
static void check_told(struct forwarder_told *told, const struct forwarder_request *request,
		       const struct forwarder_reply *reply)
{
	size_t n = told->n, removed = 0;

	forwarder_told_reply(told, request, reply);
	CHECK(told->n <= n);
	for (size_t i = 0; i < told->n; i++) {
		CHECK(!i || told->rules[i].id > told->rules[i - 1].id);
		removed += told->rules[i].is_removed;
	}
	CHECK(told->n_removed == removed);
	if (request->type == FORWARDER_RULES && reply->error >= 0)
		for (uint32_t i = 0; i < reply->rules.n; i++)
			CHECK(forwarder_told_find(told, reply->rules.list[i].id));
}

static void check_reply(struct forwarder_reply *reply, size_t len, const struct asked *asked,
			struct forwarder_told *told)
{
	struct forwarder_request request = { .type = asked->type };
	struct forwarder_expected expected = {
		.requests = &request,
		.n_requests = asked->n_requests,
		.told = told,
	};
	int r;

	if (request.type == FORWARDER_RULES) {
		request.rules.after = asked->after;
	} else if (request.type == FORWARDER_SESSIONS) {
		request.sessions = asked->after;
	} else if (request.type == FORWARDER_SOCKETS) {
		request.sockets.count = (uint16_t)asked->after;
	} else if (request.type == FORWARDER_CONNECTIONS) {
		request.connections.rule = asked->after;
		request.connections.before = asked->before;
		request.connections.only = asked->only;
	}
	r = forwarder_reply_check(reply, len, asked->n_fds, &expected);
	CHECK(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	CHECK(len == sizeof(*reply) && reply->error <= 0);
	if (reply->error < 0)
		CHECK(strlen(reply->text) < sizeof(reply->text) && !asked->n_fds);
	else if (request.type == FORWARDER_RULES)
		check_rules(reply, asked, told);
	else if (request.type == FORWARDER_CONNECTIONS)
		check_connections(reply, asked);
	else if (request.type == FORWARDER_SESSIONS)
		check_sessions(reply, asked);
	else if (request.type == FORWARDER_SOCKETS)
		CHECK(asked->n_fds <= request.sockets.count);
	else
		CHECK(!asked->n_fds);
	check_told(told, &request, reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct forwarder_told told;
	struct asked asked;
	void *copy;

	if (size <= sizeof(asked))
		return 0;
	memcpy(&asked, data, sizeof(asked));
	asked.type %= FORWARDER_REQUESTS;
	asked.only &= 1;
	size -= sizeof(asked);
	/* as long as the input, so that one byte further is the sanitizer's */
	copy = malloc(size);
	CHECK(copy);
	memcpy(copy, data + sizeof(asked), size);
	check_requests(copy, size, asked.n_fds);
	tell(&told, asked.last_rule);
	check_reply(copy, size, &asked, &told);
	forwarder_told_done(&told);
	free(copy);
	return 0;
}
