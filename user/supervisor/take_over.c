/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/take_over.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "supervisor/listen.h"
#include "supervisor/netns.h"
#include "supervisor/old_one.h"
#include "supervisor/publish.h"
#include "supervisor/requests.h"
#include "supervisor/sessions.h"
#include "supervisor/supervisor.h"

struct taking {
	struct supervisor *s;
	struct old_one old;
	bool *is_adopted; /* of config->specs: a rule of the old one */
	/* rules that no -p names; the first of them, as a text */
	size_t n_carried;
	char carried[SPEC_FORMAT_MAX];
	size_t n_listeners, n_sessions;
};

static bool is_same_host(const struct port_spec *a, const struct port_spec *b)
{
	return a->host_port == b->host_port && a->count == b->count && a->protos == b->protos &&
	       spec_same_host(a, b);
}

/* The -p that is this rule; or NULL. */
static const struct port_spec *adopter_of(struct taking *t, const struct take_over_rule *rule)
{
	const struct config *c = t->s->config;

	for (size_t i = 0; i < c->n_specs; i++) {
		const struct port_spec *spec = &c->specs[i];

		if (t->is_adopted[i] || !(is_same_host(spec, &rule->bound) ||
		    (is_same_host(spec, &rule->asked) &&
		     spec->container_port == rule->asked.container_port)))
			continue;
		t->is_adopted[i] = true;
		t->s->host_ports[i] = rule->bound.host_port;
		return spec;
	}
	return NULL;
}

/* Is it what the old one says that it is? */
static int check_listener(int fd, bool udp, const struct port_spec *bound, uint32_t i,
			  struct error *err)
{
	uint16_t port = (uint16_t)(bound->host_port + i);
	const char *fault = listen_fault(fd, udp, bound, port);
	char text[SPEC_FORMAT_MAX];

	if (!fault)
		return 0;
	return error_set(err, -EADDRNOTAVAIL, "the old portshunt's listener of %s: it %s; start this "
			 "one where the old one was started, or without --take-over",
			 spec_format(bound, text, sizeof(text)), fault);
}

/* Some of the listeners of @rule, from the number @first on. Returns how many, or -errno. */
static int adopt_some(struct taking *t, const struct take_over_rule *rule,
		      const struct port_spec *spec, bool udp, uint32_t first, struct error *err)
{
	uint32_t left = rule->bound.count - first;
	struct take_over_request request = {
		.step = TAKE_OVER_SOCKETS,
		.rule = rule->id,
		.udp = udp,
		.container_port = (uint16_t)(rule->bound.container_port + first),
		.count = (uint16_t)(left < TAKE_OVER_BATCH ? left : TAKE_OVER_BATCH),
	};
	struct forwarder_request listen = {
		.type = FORWARDER_LISTEN,
		.listen = {
			.rule = rule->id,
			.container_port = (uint16_t)(spec->container_port + first),
			.udp = udp,
			.spec = *spec,
		},
	};
	_cleanup_(old_answer_done) struct old_answer answer;
	int r = old_one_ask(&t->old, &request, &answer, err);

	if (r >= 0 && (!answer.n_fds || answer.n_fds > left))
		r = error_errno(err, -EMFILE, "the old portshunt's listeners");
	for (size_t i = 0; i < answer.n_fds && r >= 0; i++)
		r = check_listener(answer.fds[i], udp, &rule->bound, first + (uint32_t)i, err);
	for (size_t i = 0; i < answer.n_fds && r >= 0; i++) {
		r = listen_adopt(udp, answer.fds[i]);
		if (r < 0)
			error_errno(err, r, "the old portshunt's listeners");
	}
	listen.listen.count = (uint16_t)answer.n_fds;
	if (r >= 0)
		r = forwarder_call(&t->s->forwarder, &listen, answer.fds, answer.n_fds, err);
	return r < 0 ? r : (int)answer.n_fds;
}

static int adopt_rule(struct taking *t, const struct take_over_rule *rule, struct error *err)
{
	const struct port_spec *spec = adopter_of(t, rule);
	struct published p = {
		.id = rule->id,
		.asked = spec ? *spec : rule->asked,
		.bound = rule->bound,
		.limits = rule->limits,
	};
	int r = 0;

	p.bound.datapath = spec && spec->datapath ? spec->datapath : rule->bound.datapath;
	p.asked.datapath = p.bound.datapath;
	if (spec)
		p.bound.container_port = spec->container_port;
	else if (t->n_carried++ == 0)
		spec_format(&rule->bound, t->carried, sizeof(t->carried));
	for (unsigned int proto = PROTO_TCP; proto <= PROTO_UDP; proto <<= 1) {
		if (!(rule->bound.protos & proto))
			continue;
		for (uint32_t n = 0; n < rule->bound.count && r >= 0; n += (uint32_t)r)
			r = adopt_some(t, rule, &p.bound, proto == PROTO_UDP, n, err);
		if (r < 0)
			return r;
		t->n_listeners += rule->bound.count;
	}
	published_insert(&t->s->published, &p);
	return limits_given(&p.limits) ?
		       forwarder_open(&t->s->forwarder, p.id, &p.limits, err) : 0;
}

/* The -p that the old one does not have. */
static int publish_new(struct taking *t, struct error *err)
{
	struct published_list *list = &t->s->published;
	const struct config *c = t->s->config;
	int r = 0;

	for (size_t i = 0; i < c->n_specs && r >= 0; i++) {
		if (t->is_adopted[i])
			continue;
		r = published_check(list, &c->specs[i], err);
		if (r >= 0)
			r = published_reserve(list, 1, err);
		if (r >= 0)
			r = publish_ports(&t->s->forwarder, list->last_id + 1, &c->specs[i], 1,
					  &t->s->host_ports[i], err);
		if (r >= 0)
			published_add(list, &c->specs[i], t->s->host_ports[i], NULL);
	}
	return r;
}

static int get_listeners(struct taking *t, struct error *err)
{
	int r = published_reserve(&t->s->published, t->old.state.n + t->s->config->n_specs, err);

	if (r < 0)
		return r;
	t->is_adopted = calloc(t->s->config->n_specs + 1, sizeof(*t->is_adopted));
	if (!t->is_adopted)
		return error_errno(err, -ENOMEM, "%zu rules", t->old.state.n);
	for (size_t i = 0; i < t->old.state.n && r >= 0; i++)
		r = adopt_rule(t, &t->old.state.rules[i], err);
	/* a number that somebody has seen means one rule for ever */
	t->s->published.last_id = t->old.state.last_id;
	return r < 0 ? r : publish_new(t, err);
}

/* Up to here the old one takes new clients; from here on they wait. */
static int commit(struct taking *t, struct error *err)
{
	struct forwarder_request resume = { .type = FORWARDER_PAUSE, .pause = false };
	struct supervisor *s = t->s;
	int r = old_one_tell(&t->old, TAKE_OVER_COMMIT, err);

	if (r >= 0)
		r = sessions_take_over(t->s, &t->old, &t->n_sessions, err);
	if (r >= 0 && s->config->control)
		r = control_socket_replace(&s->control.socket, err);
	if (r >= 0)
		r = forwarder_call(&s->forwarder, &resume, NULL, 0, err);
	return r;
}

/* Only if it says that it has not left: it is gone, or will do as it was told. */
static int tell_done(struct taking *t, struct error *err)
{
	int r = old_one_tell(&t->old, TAKE_OVER_DONE, err);

	if (r == -EREMOTEIO || r == -ECANCELED)
		return r;
	if (r < 0)
		log_warn("%s: this one has taken over", err->text);
	/* stopped, perhaps: the end of this would tell it to go on, not to leave */
	if (r == -ETIMEDOUT)
		TAKE_FD(t->old.fd);
	control_socket_settle(&t->s->control.socket);
	return 0;
}

/* What is beside the old one's is there for a moment only: a kill would leave it behind. */
static int start_control(struct supervisor *s, struct error *err)
{
	int r = s->control.socket.fd >= 0 ? 0 :
		control_server_open_beside(&s->control, s->config->control, err);

	return r < 0 ? r : requests_start(s, err);
}

static void tell(const struct taking *t, uint64_t ms, uint64_t waited_ms)
{
	log_info("took over %zu rule%s, %zu listener%s, %zu UDP session%s in %llu ms; new clients "
		 "waited for %llu ms", t->old.state.n, t->old.state.n == 1 ? "" : "s", t->n_listeners,
		 t->n_listeners == 1 ? "" : "s", t->n_sessions, t->n_sessions == 1 ? "" : "s",
		 (unsigned long long)(ms + waited_ms), (unsigned long long)waited_ms);
	if (t->n_carried == 1)
		log_info("kept rule %s, which no -p names: portshunt remove removes it",
			 t->carried);
	else if (t->n_carried)
		log_info("kept %zu rules that no -p names: %s and others; portshunt remove removes "
			 "them", t->n_carried, t->carried);
}

static int on_event(void *context)
{
	return supervisor_still_wanted(context);
}

/* What would end the start otherwise, a signal above all, ends the wait. */
static struct control_wait wait_for(struct supervisor *s, unsigned int seconds)
{
	struct control_wait wait;

	control_wait_start(&wait, seconds);
	wait.fd = s->loop.epoll_fd;
	wait.woken = on_event;
	wait.context = s;
	return wait;
}

static int take_all(struct taking *t, struct forwarder_request *start, struct error *err)
{
	struct supervisor *s = t->s;
	struct control_wait wait = wait_for(s, TAKE_OVER_SECONDS);
	uint64_t began = timer_now(), committed = 0;
	int r = old_one_open(&t->old, s->config->take_over, s->config->drain_timeout, &wait, err);

	if (r >= 0)
		r = get_listeners(t, err);
	start->start.is_paused = true;
	if (r >= 0)
		r = forwarder_call(&s->forwarder, start, NULL, 0, err);
	if (r >= 0)
		r = supervisor_still_wanted(s);
	if (r >= 0 && s->config->control)
		r = start_control(s, err);
	committed = timer_now();
	if (r >= 0)
		r = commit(t, err);
	if (r < 0)
		return r;
	tell(t, committed - began, timer_now() - committed);
	return tell_done(t, err);
}

int take_over(struct supervisor *s, struct forwarder_request *start, struct error *err)
{
	struct taking t = { .s = s };
	int r;

	s->is_taking_over = true;
	r = take_all(&t, start, err);
	s->is_taking_over = false;
	old_one_close(&t.old);
	free(t.is_adopted);
	return r < 0 && r != -ECANCELED ?
		       error_wrap(err, r, "--take-over %s", s->config->take_over) : r;
}

/* Whether --control is where the old one listens. */
static bool is_same_socket(const struct config *c)
{
	struct stat here, there;

	return stat(c->control, &here) == 0 && stat(c->take_over, &there) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int take_over_open_control(struct supervisor *s, struct error *err)
{
	const struct config *c = s->config;
	struct control_wait wait = wait_for(s, TAKE_OVER_STEP_MS / 1000);
	/* or, where nobody is, this one could come to ask itself */
	int fd = control_socket_connect(c->take_over, &wait, err);

	if (fd == -ECANCELED)
		return fd;
	if (fd < 0)
		return error_wrap(err, fd, "--take-over %s", c->take_over);
	fd_close(fd);
	if (!c->control || is_same_socket(c))
		return 0;
	return control_server_open(&s->control, c->control, err);
}
