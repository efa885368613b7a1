/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/forwarder.h"

#include <errno.h>
#include <stddef.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/timer.h"
#include "forwarder/hand_over.h"
#include "forwarder/protocol.h"
#include "forwarder/report.h"
#include "forwarder/rules.h"
#include "forwarder/udp_brake.h"
#include "isolation/isolate.h"

/*
 * Never used for clients: prepared TCP and UDP sockets of both families,
 * pooled pipes, and a few for the process itself.
 */
#define FD_RESERVE (4 * CONNECTOR_MAX + 2 * PIPE_POOL_MAX + 16)

#define RETRY_MS 100
#define DRAIN_MS 900

static struct forwarder *forwarder_of_timer(struct loop_source *source)
{
	return (void *)((char *)source - offsetof(struct forwarder, timer));
}

unsigned long forwarder_fds_with(const struct forwarder *f, unsigned long n)
{
	unsigned long listeners = f->listeners_open + n;
	unsigned long reserve = FD_RESERVE + listeners;

	/* a limit this small is shared evenly rather than refused */
	if (reserve > f->fd_limit / 2 + listeners)
		reserve = f->fd_limit / 2 + listeners;
	return reserve < f->fd_limit ? f->fd_limit - reserve : 0;
}

unsigned long forwarder_fds_in_use(const struct forwarder *f)
{
	return 2 * f->pairs_open + f->families.attempts + f->udp.table.n;
}

unsigned long forwarder_udp_max(const struct forwarder *f)
{
	unsigned long all = forwarder_fds_with(f, 0), others = 2 * f->pairs_open;

	/* who invents UDP clients may not keep TCP ones out */
	if (others < all / 4)
		others = all / 4;
	return others < all ? all - others : 0;
}

static bool has_socket(struct forwarder *f, const struct addr *target)
{
	if (!target->family || connector_has(&f->connector, target, false))
		return true;
	connector_fill(&f->connector, target, false);
	return connector_has(&f->connector, target, false);
}

bool forwarder_may_accept(struct forwarder *f)
{
	if (!f->started)
		return false;
	if (forwarder_fds_in_use(f) + 2 > forwarder_fds_with(f, 0)) {
		forwarder_exhausted(f, -EMFILE, "accept");
		return false;
	}
	return has_socket(f, &f->target4) && has_socket(f, &f->target6);
}

void forwarder_exhausted(struct forwarder *f, int r, const char *what)
{
	if (log_allowed(&f->exhausted_limit)) {
		if (r == -EMFILE)
			log_warn("%s: %s: %lu connections are open, the limit is %lu file "
				 "descriptors; new connections wait until some close "
				 "(raise the hard limit: ulimit -Hn)",
				 what, errno_text(r), f->pairs_open, f->fd_limit);
		else
			log_warn("%s: %s: %lu connections are open; new ones wait, and it "
				 "is tried again ten times a second",
				 what, errno_text(r), f->pairs_open);
	}
	if (!f->draining)
		timer_set(&f->timer, RETRY_MS);
}

void forwarder_refuses(struct forwarder *f, int r)
{
	unsigned long others = f->pairs_open - 1;
	const char *what = errno_text(r);

	log_debug("connect: %s", what);
	if (r == -EADDRNOTAVAIL && log_allowed(&f->refuses_limit))
		log_warn("connect: %s: %lu connections are open, and none of the container's "
			 "ports is left for a new one, which is reset (sysctl "
			 "net.ipv4.ip_local_port_range)", what, others);
	else if ((r == -ENOMEM || r == -ENOBUFS || r == -ENOSPC || r == -EAGAIN) &&
		 log_allowed(&f->refuses_limit))
		log_warn("connect: %s: %lu connections are open, and new ones are reset",
			 what, others);
}

static void resume(struct forwarder *f)
{
	if (f->started && !f->draining)
		listeners_resume(f);
}

void forwarder_pair_gone(struct forwarder *f)
{
	if (!TAILQ_EMPTY(&f->paused))
		resume(f);
	if ((f->draining || f->leaving) && f->pairs_open == 0)
		loop_stop(&f->loop);
}

/* The container has one family only: its other address is carried over to it. */
static bool drop_target(struct forwarder *f, struct addr *target)
{
	char text[ADDR_TEXT_MAX];

	if (!f->target4.family || !f->target6.family)
		return false;
	log_warn("the container cannot use %s: its clients get the other address",
		 addr_format(target, text));
	target->family = AF_UNSPEC;
	return true;
}

static void on_refilled(struct connector *c, sa_family_t family, bool udp, int error)
{
	struct forwarder *f =
		(void *)((char *)c - offsetof(struct forwarder, connector));
	struct addr *target = family == AF_INET6 ? &f->target6 : &f->target4;

	if (error == -EAFNOSUPPORT && drop_target(f, target))
		error = 0;
	if (udp)
		udp_refilled(f, error);
	else
		families_refilled(f, family, error);
	if (error && !udp)
		forwarder_exhausted(f, error, "socket in the container");
	else if (!udp)
		resume(f);
}

static void on_captured(struct connector *c, uint64_t flow, int result)
{
	struct forwarder *f =
		(void *)((char *)c - offsetof(struct forwarder, connector));

	capture_answer(&f->capturer, flow, result);
}

static void on_walker(struct connector *c, int fd)
{
	struct forwarder *f =
		(void *)((char *)c - offsetof(struct forwarder, connector));

	walk_adopt(&f->capturer, fd);
}

static void on_gauge(struct connector *c, sa_family_t family, int fd)
{
	udp_brake_gauge((void *)((char *)c - offsetof(struct forwarder, connector)), family, fd);
}

static void on_netns_lost(struct connector *c)
{
	struct forwarder *f =
		(void *)((char *)c - offsetof(struct forwarder, connector));

	/* the supervisor knows it too and says what to do */
	f->started = false;
}

void forwarder_finish(struct forwarder *f)
{
	rules_finish(f);
	loop_stop(&f->loop);
}

/* Nothing will come from the container any more. */
static bool has_no_more(const struct pair *pair, const void *unused)
{
	return pair->down_ended || pair->state == PAIR_CONNECTING;
}

void forwarder_drain(struct forwarder *f)
{
	rules_stop_listening(f);
	f->draining = true;
	timer_set(&f->timer, DRAIN_MS);
	rules_finish_some(f, has_no_more, NULL);
	if (f->pairs_open == 0)
		loop_stop(&f->loop);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct forwarder *f = forwarder_of_timer(source);

	if (!timer_expired(source))
		return;
	if (f->draining)
		forwarder_finish(f);
	else
		resume(f);
}

static int setup(struct forwarder *f, const struct forwarder_request *request,
		 struct error *err)
{
	int r;

	log_init(request->setup.log_level, request->setup.log_json);
	f->udp.limits = request->setup.udp;
	gates_setup(f, &request->setup.all, &request->setup.each);
	r = datapath_open(request->setup.datapath, &f->choice, err);
	if (r >= 0)
		r = datapath_add(request->setup.also, &f->choice, err);
	if (r < 0)
		return r;
	f->capturer.shunt = f->choice.shunt;
	if (f->capturer.shunt) {
		f->capturer.tools = shunt_tools(f->capturer.shunt);
		r = walk_start(&f->capturer);
		if (r < 0)
			return error_errno(err, r, "cannot start the shunt's walker (--datapath=splice does without)");
	}
	if (request->setup.may_have_udp)
		udp_icmp_start(&f->udp.icmp);
	if (f->choice.sockmap) {
		r = kernel_relay_setup(f, f->choice.sockmap, err);
		if (r < 0)
			return r;
	}
	/* before the first byte of a client */
	addr_zones_by_number();
	return isolation_enter(&(struct isolation){
		.process = f->connector.make ? FILTER_PROXY : FILTER_FORWARDER,
		.name = f->connector.make ? "docker-proxy" : "forwarder",
		.bpf_commands = f->choice.shunt || f->choice.sockmap ? shunt_bpf_commands() : NULL,
	});
}

static bool is_of_family(const struct pair *pair, const void *family)
{
	return pair->family == *(const sa_family_t *)family;
}

/* Returns how many connections had to end: they went to the one that was there. */
static uint32_t set_target(struct forwarder *f, struct addr *target, const struct addr *to)
{
	sa_family_t family = target->family;

	if (addr_equal(target, to))
		return 0;
	*target = *to;
	reach_worked(f, to->family);
	families_forget(f, family);
	if (!family)
		return 0;
	connector_forget(&f->connector, family, false);
	connector_forget(&f->connector, family, true);
	udp_forget(f, NULL, family);
	udp_brake_forget(f);
	return rules_finish_some(f, is_of_family, &family);
}

static int start(struct forwarder *f, const struct forwarder_request *request,
		 struct forwarder_reply *reply)
{
	bool again = f->started;

	f->first = request->start.first;
	reply->connections = set_target(f, &f->target4, &request->start.target4);
	reply->connections += set_target(f, &f->target6, &request->start.target6);
	if (again) {
		has_socket(f, &f->target4);
		has_socket(f, &f->target6);
		udp_start(f);
		resume(f);
		return 0;
	}
	rules_open(f);
	if (request->start.is_final)
		rules_final(f);
	f->started = !request->start.is_paused;
	if (f->capturer.shunt) {
		connector_set_tools(&f->connector, &f->capturer.tools);
		walk_start_there(&f->capturer);
	}
	has_socket(f, &f->target4);
	has_socket(f, &f->target6);
	udp_start(f);
	/* not at setup: when the start fails, that is the one line that is told */
	if (f->listeners_open)
		log_info("datapath %s%s%s", datapath_name(f->choice.datapath),
			 *f->choice.why ? ": " : "", f->choice.why);
	return 0;
}

int forwarder_obey(struct forwarder *f, const struct forwarder_request *request,
		   struct forwarder_reply *reply, int *fds, size_t n, struct error *err)
{
	if (request->type == FORWARDER_LISTEN)
		return rule_listen(f, request, fds, n, err);
	if (request->type == FORWARDER_ADOPT && n == 1 &&
	    hand_over_adopt(f, &request->adopt, fds[0]) >= 0) {
		reply->connections++;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		fd_close(fds[i]);
	switch (request->type) {
	case FORWARDER_SETUP:
		return setup(f, request, err);
	case FORWARDER_START:
		return start(f, request, reply);
	case FORWARDER_OPEN:
		return rule_open(f, request->open.rule, &request->open.limits);
	case FORWARDER_REMOVE:
		return rule_remove(f, &request->remove, &reply->connections);
	case FORWARDER_RULES:
		report_rules(f, request, reply);
		return 0;
	case FORWARDER_CONNECTIONS:
		report_connections(f, request, reply);
		return 0;
	case FORWARDER_ADOPT:
		return 0;
	case FORWARDER_PAUSE:
		hand_over_pause(f, request->pause);
		return 0;
	case FORWARDER_LEAVE:
		reply->connections = hand_over_leave(f, request->leave.timeout_ms);
		return 0;
	default:
		return -EINVAL;
	}
}

int forwarder_init(struct forwarder *f, int netns_fd)
{
	int r;

	TAILQ_INIT(&f->listeners);
	TAILQ_INIT(&f->paused);
	f->connector.refilled = on_refilled;
	f->connector.lost = on_netns_lost;
	f->connector.gauge = on_gauge;
	f->connector.captured = on_captured;
	f->connector.walker = on_walker;
	f->fd_limit = fd_raise_nofile();
	tcp_pacing_default(f->pacing);
	fd_set_nonblock(netns_fd);
	r = splice_init(&f->splice);
	if (r < 0)
		return r;
	r = loop_init(&f->loop);
	if (r >= 0)
		r = timer_add(&f->loop, &f->timer, on_timer);
	if (r >= 0)
		r = capturer_init(&f->capturer, &f->loop);
	if (r >= 0)
		r = gates_init(f);
	if (r >= 0)
		r = idle_init(f);
	if (r >= 0)
		r = rules_init(f);
	if (r >= 0)
		r = families_init(f);
	if (r >= 0)
		r = udp_init(f);
	return r < 0 ? r : connector_init(&f->connector, &f->loop, netns_fd);
}

void forwarder_done(struct forwarder *f)
{
	connector_done(&f->connector);
	udp_done(f);
	timer_done(&f->timer);
	gates_done(f);
	idle_done(f);
	capturer_done(&f->capturer);
	kernel_relay_done(f);
	sockmap_close(f->choice.sockmap);
	rules_done(f);
	families_done(f);
	loop_done(&f->loop);
	splice_done(&f->splice);
}
