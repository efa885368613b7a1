/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/supervisor.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "supervisor/command.h"
#include "supervisor/netns.h"
#include "supervisor/publish.h"
#include "supervisor/requests.h"
#include "supervisor/slirp4netns/addresses.h"
#include "supervisor/slirp4netns/api.h"
#include "supervisor/userns.h"

/* How long the forwarder may take to deliver what is on its way. */
#define FORWARDER_GRACE_MS 950

/* Whether slirp4netns forwards the ports instead of us. */
static bool uses_hostfwd(const struct config *c)
{
	return c->slirp4netns && c->n_specs &&
	       c->slirp4netns_options.port_handler == SLIRP4NETNS_PORTS_API;
}

static int start_forwarder(struct supervisor *s, int sockets_fd, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_SETUP };
	struct process_spec spec = { .own_group = true, .wait_fd = -1 };
	int r;

	r = client_spawn(&s->forwarder, "@forwarder", sockets_fd, &spec, err);
	if (r < 0)
		return r;
	request.setup.datapath = (uint8_t)s->config->datapath;
	request.setup.log_level = (uint8_t)log_level_get();
	request.setup.log_json = log_is_json();
	request.setup.udp = s->config->udp;
	return forwarder_call(&s->forwarder, &request, NULL, 0, err);
}

/* Whether a user namespace is needed to make the other ones: namespaces(7). */
static bool is_privileged(void)
{
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

/* run: a new network, mount and PID namespace, and a user namespace to own them. */
static int start_init(struct supervisor *s, int sockets_fd, struct error *err)
{
	_cleanup_close_ int rd = -1, wr = -1;
	struct netns_request request = { .type = NETNS_SETUP };
	struct slirp4netns_addresses addresses;
	struct netns_reply reply;
	struct process_spec spec = {
		.args = s->config->command,
		.namespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID,
	};
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "cannot make a pipe");
	rd = fds[0];
	wr = fds[1];
	spec.wait_fd = rd;
	if (!is_privileged())
		spec.namespaces |= CLONE_NEWUSER;
	r = client_spawn(&s->netns, "@init", sockets_fd, &spec, err);
	if (r < 0)
		return r;
	if (spec.namespaces & CLONE_NEWUSER) {
		r = userns_map(s->netns.process.pid, err);
		if (r < 0)
			return r;
	}
	fd_write_all(wr, "1", 1);
	if (s->config->slirp4netns) {
		r = slirp4netns_addresses(&s->config->slirp4netns_options, &addresses,
					  err);
		if (r < 0)
			return r;
		request.nameserver = addresses.dns;
	}
	return netns_call(&s->netns, &request, -1, &reply, err);
}

/* attach: into the namespace that exists. */
static int start_netns(struct supervisor *s, int sockets_fd, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct netns_request request = { .type = NETNS_ENTER };
	struct process_spec spec = { .own_group = true, .wait_fd = -1 };
	struct netns_reply reply;
	int r;

	fd = netns_open(s->config->netns_path, s->config->pid, err);
	if (fd < 0)
		return fd;
	r = client_spawn(&s->netns, "@netns", sockets_fd, &spec, err);
	if (r < 0)
		return r;
	return netns_call(&s->netns, &request, fd, &reply, err);
}

/* The two helpers and the socket between them, which is theirs alone. */
static int start_helpers(struct supervisor *s, struct error *err)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, -errno, "cannot make a socket pair");
	ours = fds[0];
	theirs = fds[1];
	r = start_forwarder(s, ours, err);
	if (r < 0)
		return r;
	/* before anything else is made: a busy port is the commonest mistake */
	if (!uses_hostfwd(s->config))
		r = publish_ports(&s->forwarder, 1, s->config->specs, s->config->n_specs,
				  s->host_ports, err);
	if (r < 0)
		return r;
	return s->config->command ? start_init(s, theirs, err) :
				    start_netns(s, theirs, err);
}

/* The user namespace that owns the network, when it is not the caller's own. */
static int owner_of(pid_t pid, const char *netns_path)
{
	_cleanup_close_ int fd = netns_open(netns_path, pid, NULL);

	return fd < 0 || is_privileged() ? -1 : netns_owner(fd);
}

/* Where sockets and logs live when --tmpdir does not say: hier(7), XDG. */
static const char *default_tmpdir(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && access(runtime, W_OK) == 0)
		return runtime;
	return access("/run", W_OK) == 0 ? "/run" : "/tmp";
}

static int start_slirp4netns(struct supervisor *s, struct error *err)
{
	const struct config *c = s->config;
	struct netns_request off = { .type = NETNS_DAD_OFF };
	struct netns_request restore = { .type = NETNS_DAD_RESTORE };
	struct netns_request wait = { .type = NETNS_WAIT_IPV6 };
	_cleanup_close_ int userns_fd = -1;
	struct slirp4netns_target target = { .pid = c->pid, .has_ports = uses_hostfwd(c) };
	char path[64], id[32];
	struct error dad_err;
	struct netns_reply reply;
	int r;

	if (c->command)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", s->netns.process.pid);
	target.netns_path = c->command ? path : c->netns_path;
	target.userns_fd = userns_fd = owner_of(c->pid, target.netns_path);
	snprintf(id, sizeof(id), "%d", getpid());

	if (c->slirp4netns_options.enable_ipv6 &&
	    netns_call(&s->netns, &off, -1, &reply, &dad_err) < 0)
		log_warn("failed to set net.ipv6.conf.default.accept_dad sysctl: %s",
			 dad_err.text);
	r = slirp4netns_start(&s->slirp, &c->slirp4netns_options, c->slirp4netns_path,
			      c->no_pivot_root, c->tmpdir ? c->tmpdir : default_tmpdir(),
			      c->id ? c->id : id, &target, err);
	if (r >= 0)
		r = supervisor_wait_slirp4netns(s, err);
	if (c->slirp4netns_options.enable_ipv6)
		netns_call(&s->netns, &restore, -1, &reply, NULL);
	if (r >= 0 && c->slirp4netns_options.enable_ipv6)
		netns_call(&s->netns, &wait, -1, &reply, NULL);
	if (r >= 0 && uses_hostfwd(c))
		r = slirp4netns_api_open(&s->slirp, err);
	if (r >= 0 && uses_hostfwd(c))
		r = publish_hostfwd(&s->slirp, c->specs, c->n_specs, s->host_ports,
				    err);
	return r;
}

/* Where in the container to connect: --child-ip, else what is there. */
static int find_target(struct supervisor *s, struct addr *ret4, struct addr *ret6,
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

static int start_forwarding(struct supervisor *s, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_START };
	int r;

	r = find_target(s, &request.start.target4, &request.start.target6, err);
	if (r < 0)
		return r;
	r = forwarder_call(&s->forwarder, &request, NULL, 0, err);
	if (r < 0)
		return r;
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
		.run = { .blocked = s->blocked, .ignored = s->ignored },
	};

	if (!s->config->command)
		return 0;
	if (netns_send(&s->netns, &request) < 0)
		return error_set(err, -ECHILD, "the netns child does not answer");
	s->command_started = true;
	inherited_close(&s->inherited);
	return 0;
}

static int start(struct supervisor *s, struct error *err)
{
	int r = s->config->control ? control_server_open(&s->control, s->config->control, err) : 0;

	if (r >= 0)
		r = start_helpers(s, err);
	if (r >= 0)
		r = supervisor_watch_helpers(s, err);
	if (r >= 0 && s->config->slirp4netns)
		r = start_slirp4netns(s, err);
	if (r >= 0)
		r = supervisor_still_wanted(s);
	if (r >= 0)
		r = start_forwarding(s, err);
	if (r >= 0 && s->config->control)
		r = requests_start(s, err);
	if (r >= 0)
		r = tell_ready(s, err);
	if (r >= 0)
		r = start_command(s, err);
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
	control_server_done(&s->control);
	supervisor_stop_forwarder(s, s->command_ended);
	slirp4netns_stop(&s->slirp);
	client_done(&s->netns, 0);
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
	s.inherited.tty_fd = -1;
	command_save_signals(&s.blocked, &s.ignored);

	s.host_ports = calloc(config->n_specs + 1, sizeof(*s.host_ports));
	r = s.host_ports ? remember_inherited(&s, &err) :
			   error_errno(&err, -ENOMEM, "cannot start");
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
