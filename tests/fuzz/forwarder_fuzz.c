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
#include "fuzz/fuzz.h"

struct asked {
	uint8_t type, n_fds, n_requests, only;
	uint32_t last_rule, after;
	uint64_t before;
};

static void check_addr(const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	CHECK(a->family == AF_UNSPEC || a->family == AF_INET || a->family == AF_INET6);
	if (a->family)
		CHECK(strlen(addr_format_port(a, UINT16_MAX, text)) < sizeof(text) - 1);
}

static void check_spec(const struct port_spec *s)
{
	char text[SPEC_FORMAT_MAX];

	CHECK(s->count >= 1 && s->container_port + s->count - 1 <= UINT16_MAX);
	CHECK(s->host_port + s->count - 1 <= UINT16_MAX);
	CHECK(s->protos >= PROTO_TCP && s->protos <= (PROTO_TCP | PROTO_UDP));
	CHECK(strlen(spec_format(s, text, sizeof(text))) < sizeof(text) - 1);
}

static void check_bool(bool b)
{
	CHECK(b == false || b == true);
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
			CHECK(datapath_name(r->setup.datapath));
			check_bool(r->setup.may_have_udp);
		}
		if (r->type == FORWARDER_START) {
			check_bool(r->start.is_paused);
			check_bool(r->start.is_final);
		}
	}
	CHECK(n < 0 || (n_fds <= shares && shares <= FD_PASS_MAX));
}

static void check_rules(const struct forwarder_reply *reply, const struct asked *asked)
{
	uint32_t after = asked->after;

	CHECK(reply->rules.n <= FORWARDER_PAGE && datapath_name(reply->rules.datapath));
	check_addr(&reply->rules.target4);
	check_addr(&reply->rules.target6);
	for (uint32_t i = 0; i < reply->rules.n; i++) {
		const struct forwarder_rule *rule = &reply->rules.list[i];

		CHECK(rule->id > after && rule->id <= asked->last_rule);
		check_spec(&rule->spec);
		check_bool(rule->is_removed);
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
	}
}

static void check_reply(struct forwarder_reply *reply, size_t len, const struct asked *asked)
{
	struct forwarder_request request = { .type = asked->type };
	struct forwarder_expected expected = {
		.requests = &request,
		.n_requests = asked->n_requests,
		.last_rule = asked->last_rule,
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
		check_rules(reply, asked);
	else if (request.type == FORWARDER_CONNECTIONS)
		check_connections(reply, asked);
	else if (request.type == FORWARDER_SESSIONS)
		check_sessions(reply, asked);
	else if (request.type == FORWARDER_SOCKETS)
		CHECK(asked->n_fds <= request.sockets.count);
	else
		CHECK(!asked->n_fds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
	check_reply(copy, size, &asked);
	free(copy);
	return 0;
}
