/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/requests.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "supervisor/answers.h"
#include "supervisor/container.h"
#include "supervisor/publish.h"
#include "supervisor/supervisor.h"
#include "supervisor/targets.h"

/* slirp4netns forwards: it neither drains nor counts, and knows no other address. */
static int check_forwarder(const struct config *c, struct error *err)
{
	if (c->slirp4netns && c->slirp4netns_options.port_handler == SLIRP4NETNS_PORTS_API)
		return error_set(err, -EOPNOTSUPP, "with port_handler=slirp4netns the ports that "
				 "are published cannot be changed");
	return 0;
}

/* Those that the forwarder was asked for: the first that it does not take is the last to wait for. */
static void take_back(struct supervisor *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct forwarder_request request = {
			.type = FORWARDER_REMOVE,
			.remove.rule = s->published.last_id + 1 + (uint32_t)i,
		};

		if (!forwarder_told_find(&s->forwarder.told, request.remove.rule))
			continue;
		if (forwarder_tell(&s->forwarder, &request) >= 0)
			continue;
		log_error("control: the forwarder does not answer");
		break;
	}
	/* a number that somebody has seen means one rule for ever */
	s->published.last_id += (uint32_t)n;
}

static int publish(struct supervisor *s, const struct control_request *request,
		   uint16_t *ports, struct error *err)
{
	uint32_t first = s->published.last_id + 1;
	int r = publish_ports(&s->forwarder, first, request->specs, request->n_specs, ports, err);

	/* all are bound; from here on nothing is known to fail */
	for (size_t i = 0; i < request->n_specs && r >= 0; i++)
		r = forwarder_open(&s->forwarder, first + (uint32_t)i, &request->limits, err);
	return r;
}

static int add(struct supervisor *s, const struct control_request *request,
	       struct json **ret, struct error *err)
{
	_cleanup_free_ uint16_t *ports = calloc(request->n_specs, sizeof(*ports));
	struct json *rules;
	int r = check_forwarder(s->config, err);

	for (size_t i = 0; i < request->n_specs && r >= 0; i++)
		r = published_check(&s->published, &request->specs[i], err);
	if (r < 0)
		return r;
	if (!ports)
		return error_errno(err, -ENOMEM, "%zu rules", request->n_specs);
	r = published_reserve(&s->published, request->n_specs, err);
	if (r < 0)
		return r;
	r = publish(s, request, ports, err);
	if (r < 0) {
		take_back(s, request->n_specs);
		return r;
	}
	rules = json_new_array();
	for (size_t i = 0; i < request->n_specs; i++) {
		const struct published *p =
			published_add(&s->published, &request->specs[i], ports[i],
				      &request->limits);

		json_append(rules, answer_rule(p->id, &p->bound));
	}
	*ret = json_new_object();
	json_add(*ret, "rules", rules);
	return 0;
}

/* Which of the removed rules are no more, a list says. */
static void forget_drained(struct supervisor *s)
{
	struct json *unused = NULL;

	if (forwarder_told_is_full(&s->forwarder.told) && answer_list(s, &unused, NULL) >= 0)
		json_free(unused);
}

static int remove_rule(struct supervisor *s, const struct control_request *request,
		       struct json **ret, struct error *err)
{
	struct forwarder_request remove = {
		.type = FORWARDER_REMOVE,
		.remove = { .drain = request->drain, .timeout_ms = request->timeout * 1000 },
	};
	struct forwarder_reply reply = { 0 };
	int r = check_forwarder(s->config, err), i;

	if (r < 0)
		return r;
	i = published_find(&s->published, request, err);
	/* one that is removed already may have connections yet */
	if (i < 0 && !request->id)
		return i;
	remove.remove.rule = i >= 0 ? s->published.list[i].id : request->id;
	r = forwarder_ask(&s->forwarder, &remove, &reply, i >= 0 ? err : NULL);
	if (r < 0 && (i < 0 || r != -ENOENT))
		return i < 0 && r != -ENOENT ? error_errno(err, r, "the forwarder") : r;
	if (i >= 0)
		published_remove(&s->published, (size_t)i);
	*ret = json_new_object();
	json_add_uint(*ret, "id", remove.remove.rule);
	json_add_uint(*ret, "connections", r < 0 ? 0 : reply.connections);
	forget_drained(s);
	return 0;
}

static int reload(struct supervisor *s, const struct control_request *request,
		  struct json **ret, struct error *err)
{
	struct forwarder_request start = {
		.type = FORWARDER_START,
		.start = { .target4 = request->child4, .target6 = request->child6 },
	};
	struct forwarder_reply reply;
	int r = check_forwarder(s->config, err);

	/* the init of run has its last word at COMMAND's end, and no other */
	if (r >= 0 && !s->config->command)
		r = targets_complete(&s->netns, true, &start, err);
	if (r >= 0)
		r = forwarder_ask(&s->forwarder, &start, &reply, err);
	if (r < 0)
		return r;
	*ret = json_new_object();
	json_add(*ret, "child_ips", answer_child_ips(&request->child4, &request->child6));
	json_add_uint(*ret, "closed", reply.connections);
	json_add(*ret, "warnings", container_warnings(s, &request->child4, &request->child6));
	container_check(s, &request->child4, &request->child6);
	return 0;
}

static bool changes_rules(enum control_execute execute)
{
	return execute == CONTROL_ADD || execute == CONTROL_REMOVE || execute == CONTROL_RELOAD;
}

static int on_request(void *context, const struct control_request *request,
		      struct json **ret, int *ret_fd, struct error *err)
{
	struct supervisor *s = context;
	int r = changes_rules(request->execute) ? hand_over_check(s, err) : 0;

	if (r < 0)
		return r;
	switch (request->execute) {
	case CONTROL_ADD:
		r = add(s, request, ret, err);
		break;
	case CONTROL_REMOVE:
		r = remove_rule(s, request, ret, err);
		break;
	case CONTROL_LIST:
		r = answer_list(s, ret, err);
		break;
	case CONTROL_STATS:
		r = answer_stats(s, request, ret, err);
		break;
	case CONTROL_RELOAD:
		r = reload(s, request, ret, err);
		break;
	case CONTROL_TAKE_OVER:
		r = hand_over_begin(s, request, ret, ret_fd, err);
		break;
	}
	log_debug("control: %s: %s", control_execute_name(request->execute),
		  r < 0 ? err->text : "done");
	return r;
}

int requests_start(struct supervisor *s, struct error *err)
{
	const struct config *c = s->config;
	int r = c->take_over ? 0 : published_reserve(&s->published, c->n_specs, err);

	for (size_t i = 0; i < c->n_specs && r >= 0 && !c->take_over; i++)
		published_add(&s->published, &c->specs[i], s->host_ports[i], NULL);
	s->control.own_network_only = c->command && !c->control_from_command;
	client_running(&s->forwarder, s->signals.fd, c->exit_fd);
	if (r >= 0)
		r = control_server_start(&s->control, &s->loop, on_request, s);
	return r < 0 ? error_errno(err, r, "--control %s", c->control) : 0;
}
