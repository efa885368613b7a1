/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two portshunts say to each other when one takes over from the other, as
 * JSON. The request to the control socket,
 *
 *     {"execute":"take-over","arguments":{"version":1,"drain_timeout":60}}
 *
 * is answered with the rules, and with a SOCK_SEQPACKET socket. On that one the
 * taker asks, each message a request or its reply with up to TAKE_OVER_BATCH descriptors:
 *
 *     sockets   rule, protocol, container_port, count: copies of these listeners
 *     commit    none: take no new clients; they wait
 *     sessions  after: a page of UDP sessions, with their sockets
 *     done      none: the taker has begun; leave
 *
 * An error ends it, and so does the end of either process; before `done` the
 * old one then goes on as if nothing had been. Pure; the input is hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "forwarder/protocol.h"
#include "rule/limits.h"
#include "rule/spec.h"

/* Of all of this: a portshunt that speaks another one is told so. */
#define TAKE_OVER_VERSION 1

#define TAKE_OVER_BATCH 64
#define TAKE_OVER_MESSAGE_MAX 16384

/* How long either waits for the other's next word, and the taker for all of them. */
#define TAKE_OVER_STEP_MS 5000
#define TAKE_OVER_SECONDS 30

/* How long the old one waits for all of them: no taker that keeps to the above needs longer. */
#define TAKE_OVER_HANDING_MS (TAKE_OVER_SECONDS * 1000 + TAKE_OVER_STEP_MS)

enum take_over_step {
	TAKE_OVER_SOCKETS,
	TAKE_OVER_COMMIT,
	TAKE_OVER_SESSIONS,
	TAKE_OVER_DONE,
};

struct take_over_request {
	enum take_over_step step;
	uint32_t rule; /* SOCKETS */
	bool udp;
	uint16_t container_port, count;
	uint32_t after; /* SESSIONS */
};

/* take_over_request_json - as take_over_request_parse() reads it; the caller frees it. */
struct json *take_over_request_json(const struct take_over_request *request);
const char *take_over_step_name(enum take_over_step step);

/* take_over_request_parse - Returns 0, -EINVAL with @err set, or -ENOMEM. */
int take_over_request_parse(const char *text, size_t len, struct take_over_request *ret,
			    struct error *err);

struct take_over_rule {
	uint32_t id;
	struct port_spec asked, bound; /* with the same datapath */
	struct limits limits; /* of its own, as add has given them */
};

/* What is published: the value of the first reply. */
struct take_over_state {
	uint32_t last_id;
	char netns[48]; /* which network namespace the container's is */
	struct take_over_rule *rules; /* owned; by their numbers */
	size_t n;
};

/* Without the rules, a list "rules" of take_over_rule_json(). The caller frees both. */
struct json *take_over_state_json(uint32_t last_id, const char *netns);
struct json *take_over_rule_json(const struct take_over_rule *rule);

/* take_over_state_parse - Returns 0 or -errno with @err set. */
int take_over_state_parse(const struct json *value, struct take_over_state *ret,
			  struct error *err);
void take_over_state_done(struct take_over_state *state);

/* take_over_sessions_json, take_over_sessions_parse - the same of a page of sessions. */
struct json *take_over_sessions_json(const struct forwarder_sessions *sessions);
int take_over_sessions_parse(const struct json *value, struct forwarder_sessions *ret,
			     struct error *err);
