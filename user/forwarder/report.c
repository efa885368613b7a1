/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/report.h"

#include <sys/socket.h>

#include "forwarder/forwarder.h"
#include "forwarder/told.h"

static void add_bytes(struct forwarder_bytes *to, const struct forwarder_bytes *bytes)
{
	to->relayed += bytes->relayed;
	to->redirected += bytes->redirected;
}

void report_add(struct forwarder_counts *to, const struct forwarder_counts *counts)
{
	to->accepted += counts->accepted;
	to->refused += counts->refused;
	add_bytes(&to->up, &counts->up);
	add_bytes(&to->down, &counts->down);
	to->captured += counts->captured;
	to->fallback += counts->fallback;
	to->released += counts->released;
}

static const struct shunt_side *side_of(const struct pair *pair, bool up)
{
	if (!pair->capture)
		return NULL;
	return up ? &pair->capture->shunt.up : &pair->capture->shunt.down;
}

static struct forwarder_bytes bytes_of(const struct pair *pair, bool up)
{
	const struct shunt_side *side = side_of(pair, up);
	const struct shunt *shunt = pair->forwarder->capturer.shunt;

	return (struct forwarder_bytes){
		.relayed = up ? pair->up.bytes : pair->down.bytes,
		.redirected = side ? shunt_redirected(shunt, side) :
				     kernel_relay_redirected(pair, up),
	};
}

static void count_capture(struct forwarder_counts *to, const struct pair *pair, bool up)
{
	const struct shunt_side *side = side_of(pair, up);
	const struct captive *captive = NULL;

	if (!(up ? pair->up_tried : pair->down_tried))
		return;
	if (pair->capture)
		captive = up ? &pair->capture->up : &pair->capture->down;
	if (captive && captive->is_released)
		to->released++;
	else if (captive && ((captive->is_suspended && captive->was_captured) ||
			     shunt_is_captured(pair->forwarder->capturer.shunt, side)))
		to->captured++;
	else
		to->fallback++;
}

void report_add_pair(struct forwarder_counts *to, const struct pair *pair)
{
	struct forwarder_bytes up = bytes_of(pair, true), down = bytes_of(pair, false);

	add_bytes(&to->up, &up);
	add_bytes(&to->down, &down);
	count_capture(to, pair, true);
	count_capture(to, pair, false);
}

static void report_rule(const struct rule *rule, struct forwarder_rule *ret)
{
	const struct pair *pair;

	*ret = (struct forwarder_rule){
		.id = rule->id,
		.connections = (uint32_t)rule->pairs_open + rule->udp_sessions,
		.is_removed = rule->is_removed,
		.datapath = (uint8_t)rule->use.datapath,
		.spec = rule->spec,
		.counts = rule->counts,
	};
	gate_report(&rule->gate, &ret->limits);
	LIST_FOREACH(pair, &rule->pairs, entry)
		report_add_pair(&ret->counts, pair);
}

void report_rules(struct forwarder *f, const struct forwarder_request *request,
		  struct forwarder_reply *reply)
{
	const struct rule *rule;

	reply->rules.datapath = (uint8_t)f->choice.datapath;
	reply->rules.target4 = f->target4;
	reply->rules.target6 = f->target6;
	reply->rules.past = f->rules.past;
	gate_report(&f->gates.all, &reply->rules.limits);
	TAILQ_FOREACH(rule, &f->rules.list, entry) {
		if (rule->id <= request->rules.after)
			continue;
		report_rule(rule, &reply->rules.list[reply->rules.n++]);
		if (reply->rules.n == FORWARDER_PAGE)
			break;
	}
}

static void address_of(int fd, int (*call)(int, struct sockaddr *, socklen_t *),
		       struct addr *ret, uint16_t *ret_port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (call(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&ss, ret, ret_port);
}

static void report_pair(const struct pair *pair, struct forwarder_connection *c)
{
	c->id = pair->id;
	c->rule = pair->rule->id;
	c->is_connecting = pair->state == PAIR_CONNECTING;
	address_of(pair->up.from, getpeername, &c->client, &c->client_port);
	address_of(pair->up.from, getsockname, &c->host, &c->host_port);
	address_of(pair->up.to, getpeername, &c->container, &c->container_port);
	/* BPF of the host's may lead clients to a listener, or connect(2), from another port */
	if (!forwarder_is_of_rule(c, &pair->rule->spec))
		c->host.family = c->container.family = AF_UNSPEC;
	c->up = bytes_of(pair, true);
	c->down = bytes_of(pair, false);
}

void report_connections(struct forwarder *f, const struct forwarder_request *request,
			struct forwarder_reply *reply)
{
	uint32_t first = request->connections.rule;
	const struct rule *rule;
	const struct pair *pair;

	TAILQ_FOREACH(rule, &f->rules.list, entry) {
		if (rule->id < first || (request->connections.only && rule->id > first))
			continue;
		LIST_FOREACH(pair, &rule->pairs, entry) {
			if (rule->id == first && pair->id >= request->connections.before)
				continue;
			report_pair(pair, &reply->open.list[reply->open.n++]);
			if (reply->open.n == FORWARDER_PAGE)
				return;
		}
	}
}
