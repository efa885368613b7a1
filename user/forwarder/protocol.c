/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/protocol.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/message.h"
#include "datapath/datapath.h"
#include "forwarder/told.h"

/* The container's addresses: each of its own family, or none. */
static bool is_target(const struct addr *target4, const struct addr *target6)
{
	return (target4->family == AF_UNSPEC || target4->family == AF_INET) &&
	       (target6->family == AF_UNSPEC || target6->family == AF_INET6);
}

static bool is_first(uint8_t first, const struct addr *target4, const struct addr *target6)
{
	return first == AF_UNSPEC || (first == AF_INET && target4->family) ||
	       (first == AF_INET6 && target6->family);
}

static bool is_range(uint16_t first, uint32_t count)
{
	return count >= 1 && count <= UINT16_MAX && first >= 1 && first + count - 1 <= UINT16_MAX;
}

/* One that runs: neither `auto` nor none. */
static bool is_used(uint8_t datapath)
{
	return datapath > DATAPATH_AUTO && datapath <= DATAPATH_SHUNT;
}

static bool is_setup_datapath(uint8_t datapath, uint8_t also)
{
	return (datapath == DATAPATH_AUTO || is_used(datapath)) && also < 2U << DATAPATH_SHUNT;
}

static bool is_spec(const struct port_spec *s)
{
	return message_is_addr(&s->host_addr) && s->datapath <= DATAPATH_SHUNT &&
	       (!*s->device || spec_device_is_valid(s->device)) && message_is_bool(&s->freebind) &&
	       is_range(s->container_port, s->count) &&
	       (!s->host_port || is_range(s->host_port, s->count)) && s->protos &&
	       !(s->protos & ~(unsigned int)(PROTO_TCP | PROTO_UDP));
}

static bool is_limits(const struct limits *l)
{
	for (int i = 0; i < LIMITS; i++)
		if (l->of[i] != LIMIT_OFF && l->of[i] > LIMIT_MAX)
			return false;
	return true;
}

static bool is_session(const struct forwarder_session *s)
{
	return s->rule && s->container_port && message_is_bool(&s->is_replied);
}

static bool is_request(const struct forwarder_request *r)
{
	switch (r->type) {
	case FORWARDER_SETUP:
		return is_setup_datapath(r->setup.datapath, r->setup.also) &&
		       r->setup.log_level <= LOG_DEBUG &&
		       message_is_bool(&r->setup.log_json) &&
		       message_is_bool(&r->setup.may_have_udp) && is_limits(&r->setup.all) &&
		       is_limits(&r->setup.each);
	case FORWARDER_LISTEN:
		return r->listen.rule && message_is_bool(&r->listen.udp) && is_spec(&r->listen.spec) &&
		       is_range(r->listen.container_port, r->listen.count);
	case FORWARDER_START:
		return is_target(&r->start.target4, &r->start.target6) &&
		       is_first(r->start.first, &r->start.target4, &r->start.target6) &&
		       message_is_bool(&r->start.is_paused) && message_is_bool(&r->start.is_final);
	case FORWARDER_OPEN:
		return is_limits(&r->open.limits);
	case FORWARDER_REMOVE:
		return message_is_bool(&r->remove.drain);
	case FORWARDER_CONNECTIONS:
		return message_is_bool(&r->connections.only);
	case FORWARDER_STOP:
		return message_is_bool(&r->stop.drain);
	case FORWARDER_SOCKETS:
		return message_is_bool(&r->sockets.udp) &&
		       is_range(r->sockets.container_port, r->sockets.count);
	case FORWARDER_PAUSE:
		return message_is_bool(&r->pause);
	case FORWARDER_ADOPT:
		return is_session(&r->adopt);
	default:
		return r->type < FORWARDER_REQUESTS;
	}
}

size_t forwarder_request_fds(const struct forwarder_request *r)
{
	if (r->type == FORWARDER_LISTEN)
		return r->listen.count;
	return r->type == FORWARDER_ADOPT;
}

int forwarder_requests_check(const struct forwarder_request *requests, size_t len, size_t n_fds)
{
	size_t n = len / sizeof(*requests), shares = 0;

	if (!n || n > FORWARDER_AT_ONCE || len % sizeof(*requests))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		size_t share;

		if (!is_request(&requests[i]) || requests[i].type != requests->type)
			return -EBADMSG;
		share = forwarder_request_fds(&requests[i]);
		if (!share && n > 1)
			return -EBADMSG;
		shares += share;
	}
	/* fewer: this process has no free descriptors */
	return n_fds > shares || shares > FD_PASS_MAX ? -EBADMSG : (int)n;
}

static bool is_page_of_rules(const struct forwarder_reply *reply,
			     const struct forwarder_expected *expected)
{
	uint32_t after = expected->requests->rules.after;

	if (reply->rules.n > FORWARDER_PAGE || !is_used(reply->rules.datapath) ||
	    !is_target(&reply->rules.target4, &reply->rules.target6) ||
	    !forwarder_told_has_state(expected->told, reply))
		return false;
	for (uint32_t i = 0; i < reply->rules.n; i++) {
		const struct forwarder_rule *rule = &reply->rules.list[i];

		if (rule->id <= after || !message_is_bool(&rule->is_removed) ||
		    !is_used(rule->datapath) ||
		    !forwarder_told_has_rule(expected->told, rule))
			return false;
		after = rule->id;
	}
	return true;
}

static bool is_page_of_connections(const struct forwarder_reply *reply,
				   const struct forwarder_expected *expected)
{
	uint32_t rule = expected->requests->connections.rule;
	uint64_t before = expected->requests->connections.before;
	bool only = expected->requests->connections.only;

	if (reply->open.n > FORWARDER_PAGE)
		return false;
	for (uint32_t i = 0; i < reply->open.n; i++) {
		const struct forwarder_connection *c = &reply->open.list[i];

		if (c->rule < rule || (c->rule == rule && c->id >= before) ||
		    (only && c->rule != rule))
			return false;
		if (!message_is_bool(&c->is_connecting) || !message_is_addr(&c->client) ||
		    !message_is_addr(&c->host) || !message_is_addr(&c->container) ||
		    !forwarder_told_has_connection(expected->told, c))
			return false;
		rule = c->rule;
		before = c->id;
	}
	return true;
}

static bool is_page_of_sessions(const struct forwarder_reply *reply, size_t n_fds,
				const struct forwarder_expected *expected)
{
	const struct forwarder_sessions *s = &reply->sessions;

	/* fewer descriptors: this process has no room for more */
	if (s->n > FORWARDER_SESSIONS_PAGE || n_fds > s->n ||
	    (s->after && s->after <= expected->requests->sessions))
		return false;
	for (uint32_t i = 0; i < s->n; i++)
		if (!is_session(&s->list[i]) ||
		    !forwarder_told_has_session(expected->told, &s->list[i]))
			return false;
	return true;
}

static bool is_reply(const struct forwarder_reply *reply, size_t n_fds,
		     const struct forwarder_expected *expected)
{
	const struct forwarder_request *request = expected->requests;

	switch (request->type) {
	case FORWARDER_SOCKETS:
		return n_fds <= request->sockets.count;
	case FORWARDER_SESSIONS:
		return is_page_of_sessions(reply, n_fds, expected);
	case FORWARDER_RULES:
		return n_fds == 0 && is_page_of_rules(reply, expected);
	case FORWARDER_CONNECTIONS:
		return n_fds == 0 && is_page_of_connections(reply, expected);
	case FORWARDER_ADOPT:
		return n_fds == 0 && reply->connections <= expected->n_requests;
	default:
		return n_fds == 0;
	}
}

int forwarder_reply_check(struct forwarder_reply *reply, size_t len, size_t n_fds,
			  const struct forwarder_expected *expected)
{
	if (len != sizeof(*reply) || reply->error > 0 || reply->error < -ERRNO_MAX)
		return -EBADMSG;
	if (reply->error < 0) {
		reply->text[sizeof(reply->text) - 1] = '\0';
		return n_fds == 0 ? 0 : -EBADMSG;
	}
	return is_reply(reply, n_fds, expected) ? 0 : -EBADMSG;
}
