/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "supervisor/supervisor.h"

/* What the forwarder is given: as many requests as descriptors. */
struct batch {
	struct forwarder_request adopt[FORWARDER_SESSIONS_PAGE];
	int fds[FORWARDER_SESSIONS_PAGE]; /* the answer's */
	uint32_t n;
};

static int number_of(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

/* Returns NULL, or what no socket of a session can be, in words that follow "it". */
static const char *fault(int fd, uint64_t netns_cookie)
{
	int family = number_of(fd, SO_DOMAIN);
	uint64_t cookie;

	if ((family != AF_INET && family != AF_INET6) ||
	    number_of(fd, SO_TYPE) != SOCK_DGRAM || number_of(fd, SO_PROTOCOL) != IPPROTO_UDP)
		return "is no UDP socket";
	if (fd_netns_cookie(fd, &cookie) < 0 || cookie != netns_cookie)
		return "is of another network namespace than the container";
	return NULL;
}

/*
 * Does @fd lead to @session's port of the container's address? If not, that need be no lie: the
 * container may have another address now, and BPF or `ss -K` may have come in between.
 */
static bool leads_there(int fd, const struct forwarder_told *told,
			const struct forwarder_session *session)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	uint16_t port;
	struct addr to;

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&ss, &to, &port) < 0 || ss.ss_family != to.family)
		return false;
	return port == session->container_port &&
	       (addr_equal(&to, &told->target4) || addr_equal(&to, &told->target6));
}

static int by_id(const void *id, const void *rule)
{
	uint32_t a = *(const uint32_t *)id, b = ((const struct take_over_rule *)rule)->id;

	return a < b ? -1 : a > b;
}

static const struct take_over_rule *rule_of(const struct take_over_state *state, uint32_t id)
{
	return bsearch(&id, state->rules, state->n, sizeof(*state->rules), by_id);
}

static bool is_of(const struct port_spec *bound, const struct forwarder_session *session)
{
	uint32_t at = (uint32_t)session->container_port - bound->container_port;

	return bound->protos & PROTO_UDP && at < bound->count;
}

/* Into @batch, unless its rule leads elsewhere now. */
static int add(struct batch *batch, const struct supervisor *s, const struct take_over_state *state,
	       const struct forwarder_session *session, int fd, struct error *err)
{
	const struct forwarder_told *told = &s->forwarder.told;
	const struct take_over_rule *rule = rule_of(state, session->rule);
	const struct forwarder_told_rule *now = forwarder_told_find(told, session->rule);
	const char *why = fault(fd, s->netns_cookie);

	if (!rule || !is_of(&rule->bound, session))
		return error_set(err, -EPROTO, "the old portshunt has a UDP session of rule %u to "
				 "port %u, which it does not publish: stop it, and start this one "
				 "without --take-over", session->rule, session->container_port);
	if (why)
		return error_set(err, -EPROTOTYPE, "the old portshunt's socket of a UDP session of "
				 "rule %u: it %s; stop it, and start this one without --take-over",
				 session->rule, why);
	if (!now || now->spec.container_port != rule->bound.container_port ||
	    !leads_there(fd, told, session))
		return 0;
	batch->adopt[batch->n] = (struct forwarder_request){ .type = FORWARDER_ADOPT,
							      .adopt = *session };
	batch->fds[batch->n++] = fd;
	return 0;
}

static int take_page(struct supervisor *s, struct old_one *old, uint32_t *after, size_t *n_taken,
		     struct error *err)
{
	struct take_over_request request = { .step = TAKE_OVER_SESSIONS, .after = *after };
	_cleanup_(old_answer_done) struct old_answer answer;
	struct forwarder_sessions sessions = { 0 };
	struct batch batch = { .n = 0 };
	struct forwarder_reply reply;
	int r = old_one_ask(old, &request, &answer, err);

	if (r >= 0)
		r = take_over_sessions_parse(answer.value, &sessions, err);
	/* or it would never come to an end */
	if (r >= 0 && sessions.after && sessions.after <= request.after)
		r = error_set(err, -EPROTO, "the old portshunt's UDP sessions: page %u follows "
			      "page %u: stop it, and start this one without --take-over",
			      sessions.after, request.after);
	*after = r < 0 ? 0 : sessions.after;
	/* those for whose sockets there was no room will be new ones */
	for (uint32_t i = 0; i < sessions.n && i < answer.n_fds && r >= 0; i++)
		r = add(&batch, s, &old->state, &sessions.list[i], answer.fds[i], err);
	if (r < 0 || !batch.n)
		return r;
	r = forwarder_send(&s->forwarder, batch.adopt, batch.n, batch.fds, batch.n, &reply, err);
	if (r >= 0)
		*n_taken += reply.connections;
	return r;
}

int sessions_take_over(struct supervisor *s, struct old_one *old, size_t *ret_n,
		       struct error *err)
{
	uint32_t after = 0;
	int r = 0;

	*ret_n = 0;
	if (!*s->netns_name || strcmp(s->netns_name, old->state.netns) != 0)
		return 0;
	do {
		r = take_page(s, old, &after, ret_n, err);
	} while (after && r >= 0);
	return r;
}
