/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "forwarder/capture.h"
#include "forwarder/forwarder.h"
#include "forwarder/rules.h"

#define LEG_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

static void pair_free(struct pair *pair)
{
	struct forwarder *forwarder = pair->forwarder;

	rule_pair_gone(pair->rule, pair);
	family_end(pair);
	capture_end(pair);
	flow_done(&forwarder->splice, &pair->up);
	flow_done(&forwarder->splice, &pair->down);
	loop_forget(&pair->client.source);
	loop_forget(&pair->container.source);
	fd_close(pair->up.from);
	fd_close(pair->up.to);
	kernel_relay_close(pair);
	free(pair);
	forwarder_pair_gone(forwarder);
}

/* close(2) sends a reset instead of a FIN (socket(7), SO_LINGER). */
static void reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void pair_abort(struct pair *pair)
{
	reset_on_close(pair->up.from);
	reset_on_close(pair->up.to);
	pair_free(pair);
}

/* Unread bytes would turn the FIN of close(2) into a reset. */
static void discard_unread(int fd)
{
	for (int i = 0; i < 16; i++)
		if (recv(fd, NULL, 1 << 30, MSG_TRUNC | MSG_DONTWAIT) <= 0)
			break;
}

/* What can be written without waiting, to a bound that any socket's queue is under. */
static void pump_out(struct pair *pair, struct flow *flow, bool wait)
{
	if (kernel_relay_settle(pair, flow, wait))
		return;
	capture_may_relay(pair, flow);
	for (int i = 0; i < 64; i++)
		if (flow_pump(&pair->forwarder->splice, flow) != FLOW_MORE)
			break;
}

void pair_finish(struct pair *pair)
{
	if (pair->state == PAIR_OPEN) {
		pump_out(pair, &pair->up, true);
		pump_out(pair, &pair->down, true);
	}
	shutdown(pair->up.from, SHUT_WR);
	shutdown(pair->up.to, SHUT_WR);
	discard_unread(pair->up.from);
	discard_unread(pair->up.to);
	pair_free(pair);
}

int pair_watch(struct leg *leg)
{
	uint32_t events = leg->relayed ? EPOLLRDHUP | EPOLLET : LEG_EVENTS;

	return loop_mod(&leg->source, events | (leg->wants_out ? EPOLLOUT : 0));
}

/* Edge-triggered EPOLLOUT costs a wake-up at the start; most never block. */
int pair_want_out(struct pair *pair, struct flow *flow)
{
	struct leg *leg = flow == &pair->up ? &pair->container : &pair->client;

	if (leg->wants_out)
		return 0;
	leg->wants_out = true;
	return pair_watch(leg);
}

/*
 * Returns -errno when the pair is broken. `*ended` is set once, with the FIN
 * passed on; the last FIN of a connection is left to close(2).
 */
static int pump(struct pair *pair, struct flow *flow, struct leg *from, bool *ended,
		bool other_ended)
{
	int r;

	if (*ended || !capture_may_relay(pair, flow))
		return 0;
	r = kernel_relay_pump(pair, flow);
	if (r != 0)
		return r < 0 ? r : 0;
	r = flow_pump(&pair->forwarder->splice, flow);
	if (r < 0)
		return r;
	if (r == FLOW_MORE)
		loop_ready(&from->source);
	if (r == FLOW_WAITS && !flow->writable)
		return pair_want_out(pair, flow);
	if (r == FLOW_WAITS && !flow_is_empty(flow))
		return kernel_relay_retry(pair); /* send_some() of splice.c says why */
	if (r == FLOW_ENDED) {
		/* whoever else sent to this socket may have taken its error */
		if ((pair->capture || pair->relay.tried) && !other_ended &&
		    flow_was_reset(flow))
			return -ECONNRESET;
		*ended = true;
		if (!other_ended && shutdown(flow->to, SHUT_WR) < 0)
			return -errno;
	}
	return 0;
}

/* A broken side: what the other direction still holds goes out first. */
void pair_break(struct pair *pair, int r)
{
	log_debug("connection broken: %s", errno_text(r));
	if (!pair->up_ended)
		pump_out(pair, &pair->up, false);
	if (!pair->down_ended)
		pump_out(pair, &pair->down, false);
	pair_abort(pair);
}

bool pair_run(struct pair *pair)
{
	int r;

	r = pump(pair, &pair->up, &pair->client, &pair->up_ended, pair->down_ended);
	if (r >= 0)
		r = pump(pair, &pair->down, &pair->container, &pair->down_ended,
			 pair->up_ended);
	if (r < 0) {
		pair_break(pair, r);
		return false;
	}
	if (pair->down_ended && pair->up_ended) {
		pair_free(pair);
		return false;
	}
	/* nobody is left in the container to hear the rest of `up` */
	if (pair->down_ended && pair->forwarder->draining) {
		pair_finish(pair);
		return false;
	}
	return true;
}

static void on_leg(struct leg *leg, uint32_t events, struct flow *out,
		   struct flow *in)
{
	struct pair *pair = leg->pair;

	/* an urgent byte that comes alone is EPOLLPRI without EPOLLIN: tcp_poll() */
	if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		out->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		out->hangup = true;
	if (events & EPOLLPRI)
		out->urgent = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		in->writable = true;
	if (pair->state == PAIR_CONNECTING) {
		/* reset while it waits: nobody is there to be connected */
		if (events & EPOLLERR)
			pair_abort(pair);
		return;
	}
	if (pair->relay.broken ||
	    ((events & EPOLLERR) && kernel_relay_breaks(pair)))
		return;
	/* an error that neither flow met, as one of them has to wait */
	if (!pair_run(pair))
		return;
	if (events & EPOLLERR)
		pair_break(pair, -ECONNRESET);
	else if (pair->rule->use.datapath == DATAPATH_SHUNT)
		capture_consider(pair);
	else if (pair->rule->use.datapath == DATAPATH_SOCKMAP)
		kernel_relay_consider(pair);
}

static void on_client(struct loop_source *source, uint32_t events)
{
	struct leg *leg = (struct leg *)source;

	on_leg(leg, events, &leg->pair->up, &leg->pair->down);
}

static void on_container(struct loop_source *source, uint32_t events)
{
	struct leg *leg = (struct leg *)source;

	on_leg(leg, events, &leg->pair->down, &leg->pair->up);
}

static void on_connected(struct loop_source *source, uint32_t events)
{
	struct pair *pair = ((struct leg *)source)->pair;
	socklen_t len = sizeof(int);
	int error = 0;

	if (events & (EPOLLERR | EPOLLHUP))
		getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		if (!family_try_other(pair, -error))
			pair_refused(pair, -error);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	pair->state = PAIR_OPEN;
	reach_worked(pair->forwarder, pair->family);
	family_connected(pair);
	rule_pair_open(pair->rule);
	source->fn = on_container;
	on_container(source, events);
}

static int watch_container(struct pair *pair)
{
	pair->container.wants_out = true;
	return loop_add(&pair->forwarder->loop, &pair->container.source, pair->up.to,
			LEG_EVENTS | EPOLLOUT, on_connected);
}

/*
 * On loopback and veth the handshake is over when connect(2) returns, but it
 * says EINPROGRESS all the same (tests/kernel/connect_at_once.c); the first
 * turn of the loop tells how it went, and what the client has sent by then.
 */
static int pair_connect(struct pair *pair)
{
	struct forwarder *f = pair->forwarder;
	struct sockaddr_storage to;
	socklen_t len = addr_to_sockaddr(pair->family == AF_INET6 ? &f->target6 : &f->target4,
					 pair->port, &to);

	bounds_connect(&f->splice.bounds, pair->up.to);
	if (connect(pair->up.to, (const struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return watch_container(pair);
}

static void replace_container(struct pair *pair, int fd)
{
	loop_forget(&pair->container.source);
	fd_close(pair->up.to);
	/* nothing has been moved yet */
	pair->up.to = pair->down.from = fd;
}

int pair_reconnect(struct pair *pair, int fd)
{
	replace_container(pair, fd);
	return pair_connect(pair);
}

int pair_resume(struct pair *pair, int fd)
{
	replace_container(pair, fd);
	return watch_container(pair);
}

void pair_refused(struct pair *pair, int r)
{
	forwarder_refuses(pair->forwarder, r);
	reach_failed(pair->forwarder, pair->family, r);
	pair->rule->counts.refused++;
	pair_abort(pair);
}

struct pair *pair_alloc(void)
{
	return malloc(sizeof(struct pair));
}

void pair_start(struct pair *pair, struct listener *listener, int client_fd, int container_fd,
		const struct addr *target)
{
	struct forwarder *forwarder = listener->forwarder;
	int r;

	*pair = (struct pair){
		.forwarder = forwarder,
		.rule = listener->rule,
		.listener = listener,
		.family = target->family,
		.port = listener->container_port,
	};
	pair->client.pair = pair;
	pair->container.pair = pair;
	flow_init(&pair->up, client_fd, container_fd);
	flow_init(&pair->down, container_fd, client_fd);
	rule_pair_new(listener->rule, pair);

	r = pair_connect(pair);
	if (r >= 0)
		family_connecting(pair);
	else if (family_try_other(pair, r))
		r = 0;
	if (r >= 0)
		r = loop_add(&forwarder->loop, &pair->client.source, client_fd, LEG_EVENTS,
			     on_client);
	if (r < 0)
		pair_refused(pair, r);
}
