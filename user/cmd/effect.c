/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/effect.h"

#include <errno.h>
#include <string.h>

static bool has_slirp4netns(const struct config *c)
{
	return c->slirp4netns;
}

static bool has_take_over(const struct config *c)
{
	return c->take_over;
}

static bool has_control(const struct config *c)
{
	return c->control;
}

static bool has_forwarder(const struct config *c)
{
	return !c->slirp4netns ||
	       c->slirp4netns_options.port_handler != SLIRP4NETNS_PORTS_API;
}

/* Now, by add, or by a take-over. */
static bool may_have_udp(const struct config *c)
{
	bool may = c->control || c->take_over;

	for (size_t i = 0; i < c->n_specs; i++)
		may |= c->specs[i].protos & PROTO_UDP;
	return may;
}

struct need {
	bool (*is_met)(const struct config *c);
	const char *otherwise;
};

static const struct need slirp4netns = { has_slirp4netns, "without --network slirp4netns" };
static const struct need taking_over = { has_take_over, "without --take-over PATH" };
static const struct need control = { has_control, "without --control PATH" };
static const struct need forwarder = {
	has_forwarder, "with port_handler=slirp4netns, which forwards the ports itself",
};
static const struct need udp = { may_have_udp, "where no -p publishes a UDP port" };

static const struct {
	const char *option;
	const struct need *needs[2];
} table[] = {
	{ "slirp4netns", { &slirp4netns } },
	{ "no-pivot-root", { &slirp4netns } },
	{ "tmpdir", { &slirp4netns } },
	{ "id", { &slirp4netns } },
	{ "drain-timeout", { &taking_over } },
	{ "control-from-command", { &control } },
	{ "datapath", { &forwarder } },
	{ "rule-datapath", { &forwarder } },
	{ "child-ip", { &forwarder } },
	{ "limit", { &forwarder } },
	{ "rule-limit", { &forwarder } },
	{ "udp-timeout", { &forwarder, &udp } },
	{ "udp-timeout-stream", { &forwarder, &udp } },
	{ "udp-sessions", { &forwarder, &udp } },
};

int effect_check(const char *option, const struct config *config, struct error *err)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		for (size_t j = 0; j < 2 && table[i].needs[j]; j++)
			if (strcmp(option, table[i].option) == 0 &&
			    !table[i].needs[j]->is_met(config))
				return error_set(err, -EINVAL, "--%s has no effect %s", option,
						 table[i].needs[j]->otherwise);
	return 0;
}
