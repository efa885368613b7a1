/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/take_over.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "control/client.h"
#include "control/take_over.h"
#include "supervisor/listen.h"
#include "supervisor/netns.h"
#include "supervisor/publish.h"
#include "supervisor/requests.h"
#include "supervisor/supervisor.h"

struct taker {
	struct supervisor *s;
	int fd; /* to the old one */
	struct take_over_state old;
	bool *is_adopted; /* of config->specs: a rule of the old one */
	size_t n_carried; /* rules that no -p names */
	size_t n_listeners, n_sessions;
};

/* What came with a reply; all of it is released by answer_done(). */
struct answer {
	struct json *json;
	const struct json *value;
	int fds[TAKE_OVER_BATCH];
	size_t n_fds;
};

static void answer_done(struct answer *a)
{
	json_free(a->json);
	while (a->n_fds)
		fd_close(a->fds[--a->n_fds]);
}

static int receive(struct taker *t, struct answer *ret, struct error *err)
{
	char text[TAKE_OVER_MESSAGE_MAX];
	ssize_t len = fd_recv(t->fd, text, sizeof(text), ret->fds, TAKE_OVER_BATCH, &ret->n_fds);

	if (len == -EAGAIN)
		return error_set(err, -ETIMEDOUT, "the old portshunt has not answered within %d s",
				 TAKE_OVER_STEP_MS / 1000);
	if (len <= 0)
		return error_set(err, -ECONNRESET, "the old portshunt is gone");
	return control_read_reply(text, (size_t)len, &ret->json, &ret->value, err);
}

static int ask(struct taker *t, const struct take_over_request *request, struct answer *ret,
	       struct error *err)
{
	struct json *json = take_over_request_json(request);
	_cleanup_free_ char *text = json_text(json);

	*ret = (struct answer){ 0 };
	json_free(json);
	if (!text)
		return error_errno(err, -ENOMEM, "cannot ask");
	/* whoever has gone may have said why */
	fd_send(t->fd, text, strlen(text), NULL, 0);
	return receive(t, ret, err);
}

static int ask_step(struct taker *t, enum take_over_step step, struct error *err)
{
	struct take_over_request request = { .step = step };
	_cleanup_(answer_done) struct answer answer;

	return ask(t, &request, &answer, err);
}

static int begin(struct taker *t, struct error *err)
{
	const struct timeval limit = { .tv_sec = TAKE_OVER_STEP_MS / 1000 };
	struct json *request = json_new_object(), *arguments = json_new_object(), *reply = NULL;
	const struct config *c = t->s->config;
	const struct json *value;
	int r;

	json_add_uint(arguments, "version", TAKE_OVER_VERSION);
	json_add_uint(arguments, "drain_timeout", c->drain_timeout);
	json_add_string(request, "execute", "take-over");
	json_add(request, "arguments", arguments);
	r = control_ask_fd(c->take_over, request, TAKE_OVER_STEP_MS / 1000, &t->fd, &reply,
			   &value, err);
	if (r >= 0 && t->fd < 0)
		r = error_set(err, -EPROTO, "there was no socket in the reply");
	if (r >= 0)
		r = take_over_state_parse(value, &t->old, err);
	if (r >= 0) {
		setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	json_free(reply);
	json_free(request);
	return r;
}

static bool is_same_host(const struct port_spec *a, const struct port_spec *b)
{
	return a->host_port == b->host_port && a->count == b->count && a->protos == b->protos &&
	       addr_equal(&a->host_addr, &b->host_addr);
}

/* The -p that is this rule; or NULL. */
static const struct port_spec *adopter_of(struct taker *t, const struct take_over_rule *rule)
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
	char text[SPEC_FORMAT_MAX];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;
	uint16_t port;
	int r = listen_adopt(udp, fd);

	if (r >= 0 && getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		r = -errno;
	if (r >= 0)
		r = addr_from_sockaddr(&ss, &at, &port);
	if (r >= 0 && (port != bound->host_port + i ||
		       (bound->host_addr.family && !addr_equal(&at, &bound->host_addr))))
		r = -EADDRNOTAVAIL;
	return r < 0 ? error_errno(err, r, "the old portshunt's listener of %s",
				   spec_format(bound, text, sizeof(text))) : 0;
}

/* Some of the listeners of @rule, from the number @first on. Returns how many, or -errno. */
static int adopt_some(struct taker *t, const struct take_over_rule *rule,
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
	_cleanup_(answer_done) struct answer answer;
	int r = ask(t, &request, &answer, err);

	if (r >= 0 && (!answer.n_fds || answer.n_fds > left))
		r = error_errno(err, -EMFILE, "the old portshunt's listeners");
	for (size_t i = 0; i < answer.n_fds && r >= 0; i++)
		r = check_listener(answer.fds[i], udp, &rule->bound, first + (uint32_t)i, err);
	listen.listen.count = (uint16_t)answer.n_fds;
	if (r >= 0)
		r = forwarder_call(&t->s->forwarder, &listen, answer.fds, answer.n_fds, err);
	return r < 0 ? r : (int)answer.n_fds;
}

static int adopt_rule(struct taker *t, const struct take_over_rule *rule, struct error *err)
{
	const struct port_spec *spec = adopter_of(t, rule);
	struct published p = {
		.id = rule->id,
		.asked = spec ? *spec : rule->asked,
		.bound = rule->bound,
	};
	int r = 0;

	if (spec)
		p.bound.container_port = spec->container_port;
	else
		t->n_carried++;
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
	return 0;
}

/* The -p that the old one does not have. */
static int publish_new(struct taker *t, struct error *err)
{
	struct published_list *list = &t->s->published;
	const struct config *c = t->s->config;
	int r = 0;

	for (size_t i = 0; i < c->n_specs && r >= 0; i++) {
		if (t->is_adopted[i])
			continue;
		r = published_check(list, &c->specs[i], err);
		if (r >= 0)
			r = publish_ports(&t->s->forwarder, list->last_id + 1, &c->specs[i], 1,
					  &t->s->host_ports[i], err);
		if (r >= 0)
			published_add(list, &c->specs[i], t->s->host_ports[i]);
	}
	return r;
}

static int get_listeners(struct taker *t, struct error *err)
{
	int r = published_reserve(&t->s->published, t->old.n + t->s->config->n_specs);

	t->is_adopted = calloc(t->s->config->n_specs + 1, sizeof(*t->is_adopted));
	if (r < 0 || !t->is_adopted)
		return error_errno(err, -ENOMEM, "%zu rules", t->old.n);
	for (size_t i = 0; i < t->old.n && r >= 0; i++)
		r = adopt_rule(t, &t->old.rules[i], err);
	/* a number that somebody has seen means one rule for ever */
	t->s->published.last_id = t->old.last_id;
	return r < 0 ? r : publish_new(t, err);
}

static int adopt_sessions(struct taker *t, uint32_t *after, struct error *err)
{
	struct take_over_request request = { .step = TAKE_OVER_SESSIONS, .after = *after };
	struct forwarder_request adopt[FORWARDER_SESSIONS_PAGE];
	_cleanup_(answer_done) struct answer answer;
	struct forwarder_sessions sessions;
	struct forwarder_reply reply;
	int r = ask(t, &request, &answer, err);
	uint32_t n;

	if (r >= 0)
		r = take_over_sessions_parse(answer.value, &sessions, err);
	*after = r < 0 ? 0 : sessions.after;
	if (r < 0)
		return r;
	/* those for whose sockets there was no room will be new ones */
	n = sessions.n < answer.n_fds ? sessions.n : (uint32_t)answer.n_fds;
	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		adopt[i] = (struct forwarder_request){ .type = FORWARDER_ADOPT,
						       .adopt = sessions.list[i] };
	r = forwarder_send(&t->s->forwarder, adopt, n, answer.fds, n, &reply, err);
	if (r >= 0)
		t->n_sessions += reply.connections;
	return r;
}

/* They go on as they are where they still lead to the same container. */
static int get_sessions(struct taker *t, struct error *err)
{
	char netns[NETNS_NAME_MAX];
	uint32_t after = 0;
	int r;

	netns_name(t->s->netns.process.pid, netns);
	if (!*netns || strcmp(netns, t->old.netns) != 0)
		return 0;
	do {
		r = adopt_sessions(t, &after, err);
	} while (after);
	return r;
}

/* Up to here the old one takes new clients; from here on they wait. */
static int commit(struct taker *t, struct error *err)
{
	struct forwarder_request resume = { .type = FORWARDER_PAUSE, .pause = false };
	struct supervisor *s = t->s;
	int r = ask_step(t, TAKE_OVER_COMMIT, err);

	if (r >= 0)
		r = get_sessions(t, err);
	if (r >= 0 && s->config->control)
		r = control_socket_replace(&s->control.socket, err);
	if (r >= 0)
		r = forwarder_call(&s->forwarder, &resume, NULL, 0, err);
	return r;
}

/* Only if it says that it has not left: it is gone, or will do as it was told. */
static int tell_done(struct taker *t, struct error *err)
{
	int r = ask_step(t, TAKE_OVER_DONE, err);

	if (r == -EREMOTEIO)
		return r;
	if (r < 0)
		log_warn("%s: this one has taken over", err->text);
	control_socket_settle(&t->s->control.socket);
	return 0;
}

static void tell(const struct taker *t, uint64_t ms, uint64_t waited_ms)
{
	log_info("took over %zu rule%s, %zu listener%s, %zu UDP session%s in %llu ms; new clients "
		 "waited for %llu ms", t->old.n, t->old.n == 1 ? "" : "s", t->n_listeners,
		 t->n_listeners == 1 ? "" : "s", t->n_sessions, t->n_sessions == 1 ? "" : "s",
		 (unsigned long long)(ms + waited_ms), (unsigned long long)waited_ms);
	if (t->n_carried)
		log_info("%zu of the rules %s not of this command line", t->n_carried,
			 t->n_carried == 1 ? "is" : "are");
}

static int take_all(struct taker *t, struct forwarder_request *start, struct error *err)
{
	struct supervisor *s = t->s;
	uint64_t began = timer_now(), committed = 0;
	int r = begin(t, err);

	if (r >= 0)
		r = get_listeners(t, err);
	if (r >= 0)
		r = supervisor_still_wanted(s);
	if (r >= 0 && s->config->control)
		r = requests_start(s, err);
	start->start.is_paused = true;
	if (r >= 0)
		r = forwarder_call(&s->forwarder, start, NULL, 0, err);
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
	struct taker t = { .s = s, .fd = -1 };
	int r = take_all(&t, start, err);

	fd_close(t.fd);
	take_over_state_done(&t.old);
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
	/* or, where nobody is, this one could come to ask itself */
	int fd = control_socket_connect(c->take_over, err);

	if (fd < 0)
		return error_wrap(err, fd, "--take-over %s", c->take_over);
	fd_close(fd);
	if (!c->control)
		return 0;
	return is_same_socket(c) ? control_server_open_beside(&s->control, c->control, err) :
				   control_server_open(&s->control, c->control, err);
}
