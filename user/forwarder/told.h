/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor has asked the forwarder for: all that its replies may name. The rules
 * that there are follow from the requests, which the forwarder obeys in their order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "forwarder/protocol.h"
#include "rule/limits.h"
#include "rule/spec.h"

struct forwarder_told_rule {
	uint32_t id;
	bool is_removed; /* its connections go on */
	struct port_spec spec;
	struct limits limits;
};

/* Zeroed: nothing. */
struct forwarder_told {
	uint8_t datapath; /* enum datapath, as it was asked for */
	struct limits all, each;
	struct addr target4, target6;
	sa_family_t first;
	struct forwarder_told_rule *rules; /* owned; by their ids */
	size_t n, room;
	size_t n_removed, removed_max; /* see forwarder_told_is_full() */
};

/* forwarder_told_reserve - room for @n more rules. Returns 0 or -ENOMEM. */
int forwarder_told_reserve(struct forwarder_told *told, size_t n);
void forwarder_told_done(struct forwarder_told *told);

/* forwarder_told_request - @request was sent. For each LISTEN there must be room. */
void forwarder_told_request(struct forwarder_told *told, const struct forwarder_request *request);

/*
 * forwarder_told_reply - the reply to @request came, and was checked: removed rules that it says
 * are gone are forgotten, and never accepted again.
 */
void forwarder_told_reply(struct forwarder_told *told, const struct forwarder_request *request,
			  const struct forwarder_reply *reply);

/*
 * forwarder_told_is_full - removed rules are forgotten when a list does not have them: it is
 * time to ask for one, as nobody else may ever do.
 */
bool forwarder_told_is_full(const struct forwarder_told *told);

/* forwarder_told_find - the rule, or NULL; valid until the next change. */
const struct forwarder_told_rule *forwarder_told_find(const struct forwarder_told *told,
						      uint32_t id);

/*
 * forwarder_told_has_rule, forwarder_told_has_connection, forwarder_told_has_session - whether
 * what a page lists can be, by what was asked for. Ports are those of the rule.
 */
bool forwarder_told_has_rule(const struct forwarder_told *told, const struct forwarder_rule *rule);
bool forwarder_told_has_connection(const struct forwarder_told *told,
				   const struct forwarder_connection *connection);
bool forwarder_told_has_session(const struct forwarder_told *told,
				const struct forwarder_session *session);

/*
 * forwarder_told_has_state - the same of what a page of rules says of all together: the
 * datapath, the limits, and the container's addresses, one of which may be out of use.
 */
bool forwarder_told_has_state(const struct forwarder_told *told,
			      const struct forwarder_reply *reply);

/* forwarder_is_of_rule - are the two ports of @connection, if it has them, a pair of @spec's? */
bool forwarder_is_of_rule(const struct forwarder_connection *connection,
			  const struct port_spec *spec);
