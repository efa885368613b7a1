/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/helpers.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "supervisor/netns.h"
#include "supervisor/publish.h"
#include "supervisor/slirp4netns/addresses.h"
#include "supervisor/slirp4netns/api.h"
#include "supervisor/supervisor.h"
#include "supervisor/userns.h"

bool uses_hostfwd(const struct config *c)
{
	return c->slirp4netns && c->n_specs &&
	       c->slirp4netns_options.port_handler == SLIRP4NETNS_PORTS_API;
}

/* The ICMP child cannot be started any more when the first UDP port is there. */
static bool may_have_udp(const struct config *c)
{
	bool may = c->control || c->take_over;

	for (size_t i = 0; i < c->n_specs && !uses_hostfwd(c); i++)
		may |= c->specs[i].protos & PROTO_UDP;
	return may;
}

static int start_forwarder(struct supervisor *s, int sockets_fd, int log_fd, struct error *err)
{
	struct forwarder_request request = { .type = FORWARDER_SETUP };
	struct process_spec spec = { .own_group = true, .log_fd = log_fd, .wait_fd = -1 };
	int r;

	r = client_spawn(&s->forwarder, "@forwarder", sockets_fd, &spec, err);
	if (r < 0)
		return r;
	request.setup.datapath = (uint8_t)s->config->datapath;
	for (size_t i = 0; i < s->config->n_specs; i++)
		request.setup.also |= (uint8_t)(1U << s->config->specs[i].datapath);
	request.setup.log_level = (uint8_t)log_level_get();
	request.setup.log_json = log_is_json();
	request.setup.may_have_udp = may_have_udp(s->config);
	request.setup.udp = s->config->udp;
	request.setup.all = s->config->all_limits;
	request.setup.each = s->config->rule_limits;
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
	_cleanup_close_ int rd = -1, wr = -1, netns = -1;
	struct netns_request request = { .type = NETNS_SETUP };
	struct slirp4netns_addresses addresses;
	struct netns_reply reply;
	struct process_spec spec = {
		.args = s->config->command,
		.namespaces = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID,
		.log_fd = -1, /* COMMAND inherits its standard error */
	};
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "cannot make a pipe");
	rd = fds[0];
	wr = fds[1];
	spec.wait_fd = rd;
	spec.wake_fd = wr;
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
	netns = netns_open(NULL, s->netns.process.pid, NULL);
	netns_name(netns, s->netns_name);
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
static int start_netns(struct supervisor *s, int sockets_fd, int log_fd, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct netns_request request = { .type = NETNS_ENTER };
	struct process_spec spec = { .own_group = true, .log_fd = log_fd, .wait_fd = -1 };
	struct netns_reply reply;
	int r;

	fd = netns_open(s->config->netns_path, s->config->pid, err);
	if (fd < 0)
		return fd;
	netns_name(fd, s->netns_name);
	r = client_spawn(&s->netns, "@netns", sockets_fd, &spec, err);
	if (r < 0)
		return r;
	r = netns_call(&s->netns, &request, fd, &reply, err);
	if (r >= 0)
		s->netns_cookie = reply.cookie;
	return r;
}

/* Sets *ret to where they log to: a pipe that the supervisor relays, and they do not wait for. */
static int open_log(struct supervisor *s, int *ret, struct error *err)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, -errno, "cannot make a pipe");
	*ret = fds[1];
	r = supervisor_watch_log(s, fds[0]);
	return r < 0 ? error_errno(err, r, "cannot watch the log of the processes") : 0;
}

int helpers_start(struct supervisor *s, struct error *err)
{
	_cleanup_close_ int ours = -1, theirs = -1, log = -1;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, -errno, "cannot make a socket pair");
	ours = fds[0];
	theirs = fds[1];
	r = open_log(s, &log, err);
	if (r >= 0)
		r = start_forwarder(s, ours, log, err);
	if (r < 0)
		return r;
	/* before anything else is made: a busy port is the commonest mistake */
	if (!uses_hostfwd(s->config) && !s->config->take_over)
		r = publish_ports(&s->forwarder, 1, s->config->specs, s->config->n_specs,
				  s->host_ports, err);
	if (r < 0)
		return r;
	return s->config->command ? start_init(s, theirs, err) :
				    start_netns(s, theirs, log, err);
}

int helpers_isolate(struct supervisor *s, struct error *err)
{
	struct netns_request request = { .type = NETNS_ISOLATE };
	struct netns_reply reply;

	/* that of run is COMMAND's init, and COMMAND may do all that it may */
	return s->config->command ? 0 : netns_call(&s->netns, &request, -1, &reply, err);
}

/* The user namespace that owns the network, when it is not the caller's own. */
static int owner_of(pid_t pid, const char *netns_path)
{
	_cleanup_close_ int fd = netns_open(netns_path, pid, NULL);

	return fd < 0 || is_privileged() ? -1 : netns_owner(fd);
}

/*
 * Where sockets and logs live when --tmpdir does not say: hier(7), XDG. In /tmp, where others could
 * take a name that they can guess, in a directory of our own. NULL with @err set: there is none.
 */
static const char *default_tmpdir(struct supervisor *s, struct error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && access(runtime, W_OK) == 0)
		return runtime;
	if (access("/run", W_OK) == 0)
		return "/run";
	memcpy(s->tmpdir, TMPDIR_TEMPLATE, sizeof(TMPDIR_TEMPLATE));
	if (mkdtemp(s->tmpdir))
		return s->tmpdir;
	error_errno(err, -errno, "cannot make a directory in /tmp for sockets and logs; give "
		    "--tmpdir DIR");
	*s->tmpdir = '\0';
	return NULL;
}

void helpers_remove_tmpdir(struct supervisor *s)
{
	if (*s->tmpdir && rmdir(s->tmpdir) == 0)
		*s->tmpdir = '\0';
}

/* What slirp4netns logs then is long, and does not say what to do. */
static int check_tun(int r, struct error *err)
{
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return r;
	return error_errno(err, -errno, "slirp4netns needs /dev/net/tun (as root: modprobe tun; "
			   "chmod 666 /dev/net/tun; or use --network none)");
}

int helpers_start_slirp4netns(struct supervisor *s, struct error *err)
{
	const struct config *c = s->config;
	struct netns_request off = { .type = NETNS_DAD_OFF };
	struct netns_request restore = { .type = NETNS_DAD_RESTORE };
	struct netns_request wait = { .type = NETNS_WAIT_IPV6 };
	_cleanup_close_ int userns_fd = -1;
	struct slirp4netns_target target = { .pid = c->pid, .has_ports = uses_hostfwd(c) };
	const char *tmpdir = c->tmpdir ? c->tmpdir : default_tmpdir(s, err);
	char path[64], id[32];
	struct error dad_err;
	struct netns_reply reply;
	int r;

	if (!tmpdir)
		return -EACCES;
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
			      c->no_pivot_root, tmpdir, c->id ? c->id : id, &target, err);
	if (r >= 0)
		r = supervisor_wait_slirp4netns(s, err);
	if (r < 0 && r != -ECANCELED)
		r = check_tun(r, err);
	if (c->slirp4netns_options.enable_ipv6)
		netns_call(&s->netns, &restore, -1, &reply, NULL);
	if (r >= 0 && c->slirp4netns_options.enable_ipv6)
		netns_call(&s->netns, &wait, -1, &reply, NULL);
	if (r >= 0 && uses_hostfwd(c))
		r = slirp4netns_api_open(&s->slirp, err);
	if (r >= 0 && uses_hostfwd(c))
		r = publish_hostfwd(&s->slirp, c->specs, c->n_specs, s->host_ports,
				    err);
	/* from here on no file has a name */
	helpers_remove_tmpdir(s);
	return r;
}
