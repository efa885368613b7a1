/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/rules.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"
#include "forwarder/report.h"
#include "isolation/landlock.h"

struct rule *rule_find(struct forwarder *f, uint32_t id)
{
	struct rule *rule;

	/* ids rise, and what is asked for is mostly new */
	TAILQ_FOREACH_REVERSE(rule, &f->rules.list, rule_list, entry)
		if (rule->id <= id)
			return rule->id == id ? rule : NULL;
	return NULL;
}

static int rule_new(struct forwarder *f, uint32_t id, const struct port_spec *spec,
		    struct rule **ret, struct error *err)
{
	char text[SPEC_FORMAT_MAX];
	struct datapath_use use;
	struct rule *rule;
	int r = datapath_use(&f->choice, spec->datapath, &use, err);

	if (r < 0)
		return error_wrap(err, r, "cannot publish %s", spec_format(spec, text, sizeof(text)));
	rule = malloc(sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	*rule = (struct rule){
		.forwarder = f,
		.id = id,
		.spec = *spec,
		.use = use,
		.is_open = false,
	};
	/* where --datapath says so, it was warned of already */
	if (spec->datapath == DATAPATH_SHUNT && f->choice.wanted != DATAPATH_SHUNT &&
	    *f->choice.noticed)
		log_warn("%s: datapath shunt: %s", spec_format(spec, text, sizeof(text)),
			 f->choice.noticed);
	gate_init(&rule->gate, f, rule, &f->gates.each);
	LIST_INIT(&rule->listeners);
	LIST_INIT(&rule->pairs);
	LIST_INIT(&rule->udp_listeners);
	udp_pool_init(&rule->udp_pool);
	TAILQ_INSERT_TAIL(&f->rules.list, rule, entry);
	*ret = rule;
	return 0;
}

/* Once it has nothing that it is needed for. */
static void free_unused(struct rule *rule)
{
	struct rules *rules = &rule->forwarder->rules;

	if (!rule->is_removed || rule->users || rule->pairs_open)
		return;
	report_add(&rules->past, &rule->counts);
	gate_done(&rule->gate);
	TAILQ_REMOVE(&rules->list, rule, entry);
	free(rule);
}

void rule_use(struct rule *rule)
{
	rule->users++;
}

void rule_release(struct rule *rule)
{
	rule->users--;
	free_unused(rule);
}

static void finish_pairs(struct rule *rule)
{
	struct pair *pair;

	rule_use(rule);
	while ((pair = LIST_FIRST(&rule->pairs)))
		pair_finish(pair);
	rule_release(rule);
}

static void stop_listening(struct rule *rule)
{
	struct udp_listener *udp;
	struct listener *l;

	while ((l = LIST_FIRST(&rule->listeners)))
		listener_free(l);
	udp_forget(rule->forwarder, rule, AF_UNSPEC);
	while ((udp = LIST_FIRST(&rule->udp_listeners)))
		udp_listener_free(udp);
	/* it may have been one of these listeners' turn: then it is the next one's */
	gates_release(rule);
}

void rule_pair_new(struct rule *rule, struct pair *pair)
{
	pair->id = ++rule->forwarder->rules.last_pair;
	LIST_INSERT_HEAD(&rule->pairs, pair, entry);
	rule->pairs_open++;
	rule->forwarder->pairs_open++;
	rule->counts.accepted++;
	gates_connecting(rule);
	idle_pair_new(rule);
}

void rule_pair_open(struct rule *rule)
{
	gates_connected(rule);
}

void rule_pair_gone(struct rule *rule, struct pair *pair)
{
	report_add_pair(&rule->counts, pair);
	idle_pair_gone(rule, pair);
	LIST_REMOVE(pair, entry);
	rule->pairs_open--;
	rule->forwarder->pairs_open--;
	if (pair->state == PAIR_CONNECTING)
		gates_connected(rule);
	else
		gates_release(rule);
	free_unused(rule);
}

/* Room for the descriptors must be left to those who come to the other rules. */
static int check_room(struct forwarder *f, const struct forwarder_request *request,
		      size_t n, struct error *err)
{
	unsigned long wanted = forwarder_fds_in_use(f) + 2;

	if (n == request->listen.count && forwarder_fds_with(f, n) >= wanted)
		return 0;
	return error_set(err, -EMFILE, "too many open files: %lu ports and %lu connections are "
			 "open, the limit is %lu file descriptors", f->listeners_open,
			 f->pairs_open, f->fd_limit);
}

static int add_listeners(struct rule *rule, uint16_t container_port, int *fds, size_t n)
{
	struct listener *added[FD_PASS_MAX];

	for (size_t i = 0; i < n; i++) {
		int r = listener_new(rule, fds[i], (uint16_t)(container_port + i), &added[i]);

		if (r < 0) {
			while (i > 0) {
				fds[--i] = -1;
				listener_free(added[i]);
			}
			return r;
		}
	}
	return 0;
}

static int add_udp_listeners(struct rule *rule, uint16_t container_port, int *fds, size_t n)
{
	struct udp_listener *added[FD_PASS_MAX];

	for (size_t i = 0; i < n; i++) {
		int r = udp_listener_new(rule, fds[i], (uint16_t)(container_port + i),
					 &added[i]);

		if (r < 0) {
			while (i > 0) {
				fds[--i] = -1;
				udp_listener_free(added[i]);
			}
			return r;
		}
	}
	return 0;
}

int rule_listen(struct forwarder *f, const struct forwarder_request *request, int *fds,
		size_t n, struct error *err)
{
	struct rule *rule = rule_find(f, request->listen.rule);
	int r = check_room(f, request, n, err);

	if (r >= 0 && !rule)
		r = rule_new(f, request->listen.rule, &request->listen.spec, &rule, err);
	if (r >= 0)
		r = (request->listen.udp ? add_udp_listeners : add_listeners)(
			rule, request->listen.container_port, fds, n);
	for (size_t i = 0; i < n && r < 0; i++)
		fd_close(fds[i]);
	return r;
}

int rule_open(struct forwarder *f, uint32_t id, const struct limits *limits)
{
	struct rule *rule = rule_find(f, id);

	if (!rule || rule->is_removed)
		return -ENOENT;
	limits_merge(&rule->gate.limits, limits);
	rule->is_open = true;
	listeners_resume(f);
	udp_listeners_release(&f->udp, &f->udp.paused);
	return 0;
}

void rules_open(struct forwarder *f)
{
	struct rule *rule;

	TAILQ_FOREACH(rule, &f->rules.list, entry)
		rule->is_open = true;
}

/* The container's TCP ports, each once. Returns how many, or -E2BIG when they are more than @max. */
static int tcp_ports(struct forwarder *f, uint16_t *ports, int max)
{
	struct listener *l;
	struct rule *rule;
	int n = 0, i;

	TAILQ_FOREACH(rule, &f->rules.list, entry) {
		LIST_FOREACH(l, &rule->listeners, of_rule) {
			for (i = 0; i < n && ports[i] != l->container_port; i++)
				;
			if (i == max)
				return -E2BIG;
			ports[i] = l->container_port;
			n += i == n;
		}
	}
	return n;
}

void rules_final(struct forwarder *f)
{
	uint16_t ports[RULES_FINAL_PORTS] = { 0 };
	int n = tcp_ports(f, ports, RULES_FINAL_PORTS);
	int r = n < 0 ? n : isolation_landlock_connect(ports, (size_t)n);

	if (r < 0)
		log_debug("forwarder: it may connect to any TCP port: %s", errno_text(r));
	else
		log_debug("forwarder: it may connect to %d TCP port%s and no other", n,
			  n == 1 ? "" : "s");
}

/* Removed rules end when their time is over; the next one is waited for. */
static void check_deadlines(struct forwarder *f)
{
	uint64_t now = timer_now(), next = 0;
	struct rule *rule, *after;

	for (rule = TAILQ_FIRST(&f->rules.list); rule; rule = after) {
		after = TAILQ_NEXT(rule, entry);
		if (!rule->deadline)
			continue;
		if (rule->deadline <= now)
			finish_pairs(rule);
		else if (!next || rule->deadline < next)
			next = rule->deadline;
	}
	timer_set(&f->rules.timer, next ? (long)(next - now) : 0);
}

static void on_deadline(struct loop_source *source, uint32_t events)
{
	if (timer_expired(source))
		check_deadlines((void *)((char *)source - offsetof(struct forwarder, rules.timer)));
}

int rule_remove(struct forwarder *f, const struct forwarder_removal *removal, uint32_t *ret)
{
	struct rule *rule = rule_find(f, removal->rule);

	if (!rule)
		return -ENOENT;
	*ret = (uint32_t)rule->pairs_open;
	stop_listening(rule);
	rule->is_removed = true;
	rule->deadline = 0;
	if (!removal->drain) {
		finish_pairs(rule);
	} else if (rule->pairs_open && removal->timeout_ms) {
		rule->deadline = timer_now() + removal->timeout_ms;
		check_deadlines(f);
	} else {
		free_unused(rule);
	}
	return 0;
}

void rules_stop_listening(struct forwarder *f)
{
	struct rule *rule;

	/* all at once, not one rule's after another's */
	udp_forget(f, NULL, AF_UNSPEC);
	TAILQ_FOREACH(rule, &f->rules.list, entry)
		stop_listening(rule);
}

void rules_leave(struct forwarder *f, uint32_t timeout_ms)
{
	uint64_t end = timer_now() + timeout_ms;
	struct rule *rule, *after;

	rules_stop_listening(f);
	for (rule = TAILQ_FIRST(&f->rules.list); rule; rule = after) {
		after = TAILQ_NEXT(rule, entry);
		rule->is_removed = true;
		/* one that was removed before may have its own end, which is earlier */
		if (!rule->deadline || rule->deadline > end)
			rule->deadline = end;
		free_unused(rule);
	}
	check_deadlines(f);
}

void rules_finish(struct forwarder *f)
{
	struct rule *rule;

	rules_stop_listening(f);
	while ((rule = TAILQ_FIRST(&f->rules.list))) {
		rule->is_removed = true;
		finish_pairs(rule);
	}
}

uint32_t rules_finish_some(struct forwarder *f,
			   bool (*which)(const struct pair *pair, const void *context),
			   const void *context)
{
	struct rule *rule, *after_rule;
	struct pair *pair, *after;
	uint32_t n = 0;

	for (rule = TAILQ_FIRST(&f->rules.list); rule; rule = after_rule) {
		rule_use(rule);
		for (pair = LIST_FIRST(&rule->pairs); pair; pair = after) {
			after = LIST_NEXT(pair, entry);
			if (!which(pair, context))
				continue;
			pair_finish(pair);
			n++;
		}
		after_rule = TAILQ_NEXT(rule, entry);
		rule_release(rule);
	}
	return n;
}

int rules_init(struct forwarder *f)
{
	TAILQ_INIT(&f->rules.list);
	return timer_add(&f->loop, &f->rules.timer, on_deadline);
}

void rules_done(struct forwarder *f)
{
	timer_done(&f->rules.timer);
}
