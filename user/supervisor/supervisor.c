/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "isolation/filter.h"
#include "isolation/hide.h"
#include "isolation/identity.h"
#include "supervisor/command.h"
#include "supervisor/container.h"
#include "supervisor/helpers.h"
#include "supervisor/publish.h"
#include "supervisor/requests.h"
#include "supervisor/slirp4netns/addresses.h"
#include "supervisor/take_over.h"
#include "supervisor/targets.h"
#include "supervisor/terminal.h"

/* How long the forwarder may take to deliver what is on its way. */
#define FORWARDER_GRACE_MS 950

/* Where in the container to connect: --child-ip, else what is there. */
static int find_named(struct supervisor *s, struct addr *ret4, struct addr *ret6,
		       struct error *err)
{
	struct netns_request request = { .type = NETNS_ADDRESS };
	struct slirp4netns_addresses addresses;
	struct netns_reply reply = { 0 };
	char text[ADDR_TEXT_MAX];
	int r;

	*ret4 = s->config->child4;
	*ret6 = s->config->child6;
	if (ret4->family || ret6->family)
		return 0;
	if (s->config->slirp4netns) {
		r = slirp4netns_addresses(&s->config->slirp4netns_options, &addresses,
					  err);
		*ret4 = addresses.container;
		return r;
	}
	if (s->config->command)
		return addr_parse("127.0.0.1", ret4);
	r = netns_call(&s->netns, &request, -1, &reply, err);
	if (r < 0)
		return r;
	*(reply.address.family == AF_INET6 ? ret6 : ret4) = reply.address;
	log_info("the container's address is %s, of interface %s",
		 addr_format(&reply.address, text), reply.text);
	return 0;
}

static int find_targets(struct supervisor *s, struct forwarder_request *start, struct error *err)
{
	int r = find_named(s, &start->start.target4, &start->start.target6, err);

	if (r < 0 || uses_hostfwd(s->config))
		return r;
	return targets_complete(&s->netns, false, start, err);
}

/* The forwarder has told by which datapath. */
static void tell_what_runs(const struct config *c, const struct addr *to4,
			   const struct addr *to6)
{
	char text4[ADDR_TEXT_MAX], text6[ADDR_TEXT_MAX];
	unsigned long ports = 0;

	for (size_t i = 0; i < c->n_specs; i++)
		ports += c->specs[i].count;
	log_info("%lu port%s published to %s%s%s%s", ports, ports == 1 ? "" : "s",
		 to4->family ? addr_format(to4, text4) : "",
		 to4->family && to6->family ? " and " : "",
		 to6->family ? addr_format(to6, text6) : "",
		 uses_hostfwd(c) ? " by slirp4netns" : "");
}

/* A container of --network host has no namespace of its own; every connect would be another. */
static void warn_of_circle(const struct supervisor *s)
{
	_cleanup_close_ int fd = netns_open(NULL, getpid(), NULL);
	char ours[NETNS_NAME_MAX];

	netns_name(fd, ours);
	if (*ours && strcmp(ours, s->netns_name) == 0)
		log_warn("this network namespace is the one that portshunt is in: its ports are on "
			 "this host already, and one that is published under its own number "
			 "leads back to itself");
}

static int start_forwarding(struct supervisor *s, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_START };
	int r;

	r = find_targets(s, &request, err);
	if (r < 0)
		return r;
	/* of an address that was found there is nothing to say */
	if (s->config->child4.family || s->config->child6.family)
		container_check(s, &request.start.target4, &request.start.target6);
	warn_of_circle(s);
	/* add, and whoever takes over from here, come by the control socket */
	request.start.is_final = !s->config->control;
	r = s->config->take_over ? take_over(s, &request, err) :
				   forwarder_call(&s->forwarder, &request, NULL, 0, err);
	if (r < 0)
		return r;
	targets_named(request.start.first, &request.start.target4, &request.start.target6);
	publish_tell(s->config->specs, s->config->n_specs, s->host_ports);
	if (s->config->n_specs)
		tell_what_runs(s->config, &request.start.target4, &request.start.target6);
	return 0;
}

static int tell_ready(struct supervisor *s, struct error *err)
{
	int fd = s->config->ready_fd, r;

	if (fd < 0)
		return 0;
	r = fd_write_all(fd, "1", 1);
	if (fd > STDERR_FILENO)
		fd_close(fd);
	if (r < 0)
		return error_errno(err, r, "cannot write to --ready-fd %d", fd);
	return 0;
}

static int start_command(struct supervisor *s, struct error *err)
{
	struct netns_request request = {
		.type = NETNS_RUN,
		.run = { .blocked = s->blocked, .ignored = s->ignored,
			 .terminal = terminal_is_ours(s) },
	};

	if (!s->config->command)
		return 0;
	if (netns_send(&s->netns, &request) < 0)
		return error_set(err, -ECHILD, "the netns child does not answer");
	s->command_started = true;
	if (request.run.terminal)
		terminal_given(s);
	inherited_close(&s->inherited);
	return 0;
}

static int open_control(struct supervisor *s, struct error *err)
{
	const struct config *c = s->config;

	if (c->take_over)
		return take_over_open_control(s, err);
	return c->control ? control_server_open(&s->control, c->control, err) : 0;
}

static int keep_capabilities(uint64_t more, struct error *err)
{
	/* to end the others; for `add`; for the buffers of UDP; to remove sockets and logs */
	const uint64_t keep = UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_NET_BIND_SERVICE |
			      UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_DAC_OVERRIDE;
	int r = identity_keep_capabilities(keep | more);

	return r < 0 ? error_errno(err, r, "cannot drop capabilities") : 0;
}

/* All programs that there are to execute run by now. */
static int isolate(struct supervisor *s, struct error *err)
{
	int r;

	isolation_hide();
	isolation_no_new_privs();
	/* nobody has a say yet: if a port is busy, whose socket has it (holder_process.h)? */
	r = keep_capabilities(s->config->take_over ? 0 : UINT64_C(1) << CAP_SYS_PTRACE, err);
	return r < 0 ? r : helpers_isolate(s, err);
}

static int start(struct supervisor *s, struct error *err)
{
	int r = open_control(s, err);

	if (r >= 0)
		r = helpers_start(s, err);
	if (r >= 0)
		r = supervisor_watch_helpers(s, err);
	if (r >= 0)
		container_watch(s);
	if (r >= 0 && s->config->slirp4netns)
		r = helpers_start_slirp4netns(s, err);
	if (r >= 0)
		r = isolate(s, err);
	if (r >= 0)
		r = supervisor_still_wanted(s);
	if (r >= 0)
		r = start_forwarding(s, err);
	if (r >= 0)
		r = keep_capabilities(0, err);
	/* a take-over has done it in its order */
	if (r >= 0 && s->config->control && !s->config->take_over)
		r = requests_start(s, err);
	if (r >= 0)
		r = tell_ready(s, err);
	if (r >= 0)
		r = start_command(s, err);
	if (r >= 0 && (r = filter_enter(FILTER_SUPERVISOR, "supervisor", NULL)) < 0)
		r = error_errno(err, r, "cannot filter system calls");
	return r;
}

void supervisor_stop_forwarder(struct supervisor *s, bool drain)
{
	struct forwarder_request request = {
		.type = FORWARDER_STOP,
		.stop = { .drain = drain },
	};

	if (s->forwarder.fd < 0)
		return;
	fd_send(s->forwarder.fd, &request, sizeof(request), NULL, 0);
	if (process_wait(&s->forwarder.process, FORWARDER_GRACE_MS, NULL) == -ETIMEDOUT)
		log_warn("the forwarder did not end in time and is killed");
	client_done(&s->forwarder, 0);
}

/* Everything that was started ends here, however far the start came. */
static void end(struct supervisor *s)
{
	hand_over_end(&s->hand_over);
	control_server_done(&s->control);
	supervisor_stop_forwarder(s, s->command_ended);
	slirp4netns_stop(&s->slirp);
	helpers_remove_tmpdir(s);
	client_done(&s->netns, 0);
	log_relay();
	log_last();
	inherited_done(&s->inherited);
	free(s->host_ports);
	published_done(&s->published);
}

/* Of attach everything is its own. */
static int remember_inherited(struct supervisor *s, struct error *err)
{
	const struct config *c = s->config;
	int keep[] = { c->ready_fd, c->exit_fd }, r;

	if (!c->command)
		return 0;
	r = inherited_init(&s->inherited, keep, sizeof(keep) / sizeof(*keep));
	return r < 0 ? error_errno(err, r, "cannot list the open files") : 0;
}

int supervisor_main(const struct config *config)
{
	static struct supervisor s;
	struct error err = { "" };
	int r;

	s.config = config;
	s.status = EXIT_PORTSHUNT;
	client_init(&s.forwarder);
	client_init(&s.netns);
	slirp4netns_init(&s.slirp);
	control_server_init(&s.control);
	hand_over_init(&s.hand_over);
	s.inherited.tty_fd = -1;
	command_save_signals(&s.blocked, &s.ignored);

	s.host_ports = calloc(config->n_specs + 1, sizeof(*s.host_ports));
	r = s.host_ports ? remember_inherited(&s, &err) :
			   error_errno(&err, -ENOMEM, "cannot start");
	log_open();
	if (r >= 0)
		r = supervisor_watch_begin(&s, &err);
	if (r >= 0)
		r = start(&s, &err);
	if (r >= 0)
		r = supervisor_watch(&s, &err);
	if (r < 0 && r != -ECANCELED)
		log_error("%s", err.text);
	end(&s);
	return s.status;
}
