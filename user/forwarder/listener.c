/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/listener.h"

#include <errno.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tcp.h"
#include "forwarder/forwarder.h"
#include "forwarder/pair.h"
#include "forwarder/rules.h"

/* One listener may take so many before the flows get their turn. */
#define ACCEPT_BATCH 16

static void hold(struct listener *l, struct listener_list *list)
{
	if (l->held || loop_mod(&l->source, 0) < 0)
		return;
	l->held = list;
	TAILQ_REMOVE(&l->forwarder->listeners, l, entry);
	TAILQ_INSERT_TAIL(list, l, entry);
}

static int let_go(struct listener *l)
{
	int r = loop_mod(&l->source, EPOLLIN);

	if (r < 0)
		return r;
	TAILQ_REMOVE(l->held, l, entry);
	TAILQ_INSERT_TAIL(&l->forwarder->listeners, l, entry);
	l->held = NULL;
	return 0;
}

void listener_resume(struct listener *l)
{
	/* it lets the next one go, so it must run */
	if (let_go(l) >= 0)
		loop_ready(&l->source);
}

void listeners_resume(struct forwarder *forwarder)
{
	struct listener *l;

	while ((l = TAILQ_FIRST(&forwarder->paused)))
		if (let_go(l) < 0)
			return;
}

/* Errors of the connection that waited, not of the listener: accept(2). */
static bool is_the_clients(int error)
{
	return error == ECONNABORTED || error == EPROTO || error == ENOPROTOOPT ||
	       error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
	       error == EOPNOTSUPP || error == ENETUNREACH || error == ENETDOWN ||
	       error == EINTR;
}

/* @waits: somebody is there, so it is held until there is room. */
static bool may_accept(struct listener *l, bool waits)
{
	struct gate *gate;
	enum limit limit;

	if (l->rule->is_open) {
		gate = gates_hinder(l->rule, &limit);
		if (gate && waits) {
			hold(l, &gate->waiting);
			gate_tell(gate, limit);
		}
		if (gate)
			return false;
		if (forwarder_may_accept(l->forwarder))
			return true;
	}
	hold(l, &l->forwarder->paused);
	return false;
}

/* Returns false when there is nothing more to take now. */
static bool accept_failed(struct listener *l, int error)
{
	if (error == EAGAIN)
		return false;
	if (is_the_clients(error))
		return true;
	forwarder_exhausted(l->forwarder, -error, "accept");
	hold(l, &l->forwarder->paused);
	return false;
}

/* Returns false when there is nothing more to take now. */
static bool accept_one(struct listener *l, bool waits)
{
	struct forwarder *f = l->forwarder;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct addr from = { .family = AF_INET };
	const struct addr *target;
	int client, container;
	struct pair *pair;

	if (!may_accept(l, waits))
		return false;
	pair = pair_alloc();
	if (!pair) {
		forwarder_exhausted(f, -ENOMEM, "accept");
		hold(l, &f->paused);
		return false;
	}
	client = accept4(l->source.fd, (struct sockaddr *)&peer, &len,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0) {
		free(pair);
		return accept_failed(l, errno);
	}
	addr_from_sockaddr(&peer, &from, NULL);
	if (*f->pacing && !tcp_is_loopback(client))
		tcp_pace(client, f->pacing);
	target = family_target(f, &l->note, from.family);
	container = connector_take(&f->connector, target, false);
	pair_start(pair, l, client, container, target);
	return true;
}

static void on_connection(struct loop_source *source, uint32_t events)
{
	struct listener *l = (struct listener *)source;

	for (int i = 0; i < ACCEPT_BATCH; i++)
		if (!accept_one(l, i == 0 && events))
			break;
	gates_release(l->rule);
}

int listener_new(struct rule *rule, int fd, uint16_t container_port,
		 struct listener **ret)
{
	struct forwarder *forwarder = rule->forwarder;
	struct listener *l = malloc(sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct listener){
		.forwarder = forwarder,
		.rule = rule,
		.container_port = container_port,
	};
	r = loop_add(&forwarder->loop, &l->source, fd, EPOLLIN, on_connection);
	if (r < 0) {
		free(l);
		return r;
	}
	if (*forwarder->pacing)
		tcp_no_pacing(fd);
	TAILQ_INSERT_TAIL(&forwarder->listeners, l, entry);
	LIST_INSERT_HEAD(&rule->listeners, l, of_rule);
	forwarder->listeners_open++;
	*ret = l;
	return 0;
}

void listener_free(struct listener *l)
{
	TAILQ_REMOVE(l->held ? l->held : &l->forwarder->listeners, l, entry);
	LIST_REMOVE(l, of_rule);
	l->forwarder->listeners_open--;
	loop_del(&l->source);
	fd_close(l->source.fd);
	free(l);
}
