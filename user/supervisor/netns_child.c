/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/netns_child.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/memory.h"
#include "datapath/shunt.h"
#include "datapath/walker.h"
#include "forwarder/connector.h"
#include "forwarder/udp_gauge.h"
#include "isolation/hide.h"
#include "isolation/isolate.h"
#include "supervisor/command.h"
#include "supervisor/ipv6.h"
#include "supervisor/mounts.h"
#include "supervisor/netns.h"
#include "supervisor/netns_protocol.h"
#include "supervisor/process.h"

/* It takes some milliseconds; what is later must not hold up a start for long. */
#define IPV6_TIMEOUT_MS 500

/*
 * The forwarder reads at once. One that does not must not keep this process from its other
 * work: as init it passes on the signals to COMMAND.
 */
#define FORWARDER_TIMEOUT_S 5

struct netns_child {
	struct loop loop;
	struct loop_source control, forwarder;
	struct command command;
	struct shunt_tools tools; /* -1: none */
	int walker_pidfd; /* of the latest; -1: none */
	int accept_dad; /* to be restored; -1: nothing */
	int exit_status;
};

static int make_sockets(const struct connector_request *request, int *fds, size_t *ret_n)
{
	bool local = netns_has_address(&request->target);
	size_t n = 0;
	int fd = 0;

	while (n < request->count && n < CONNECTOR_BATCH) {
		fd = request->udp ? netns_udp_socket(request->target.family) :
				    netns_socket(request->target.family, local, true);
		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	*ret_n = n;
	return n ? 0 : fd;
}

/* Returns 0, or -EAGAIN when the forwarder does not read, as the others below. */
static int supply_sockets(int to, const struct connector_request *request)
{
	struct connector_reply reply = {
		.type = CONNECTOR_SOCKETS,
		.family = (uint8_t)request->target.family,
		.udp = request->udp,
	};
	int fds[CONNECTOR_BATCH], r;
	size_t n = 0;

	reply.result = make_sockets(request, fds, &n);
	r = fd_send(to, &reply, sizeof(reply), fds, n);
	if (r < 0)
		reply.result = r;
	for (size_t i = 0; i < n; i++)
		fd_close(fds[i]);
	reply.released = true;
	return r == -EAGAIN ? r : fd_send(to, &reply, sizeof(reply), NULL, 0);
}

static int capture(int to, const struct shunt_tools *tools,
		   const struct connector_request *request)
{
	struct connector_reply reply = {
		.type = CONNECTOR_CAPTURE,
		.result = shunt_capture(tools, &request->side, request->users),
		.flow = request->side.id,
	};

	return fd_send(to, &reply, sizeof(reply), NULL, 0);
}

static bool is_walker_alive(struct netns_child *c)
{
	struct pollfd end = { .fd = c->walker_pidfd, .events = POLLIN };
	siginfo_t unused;

	if (c->walker_pidfd < 0)
		return false;
	if (poll(&end, 1, 0) == 0)
		return true;
	/* by its pidfd: as init this process reaps all children, and pids come again */
	waitid(P_PIDFD, (id_t)c->walker_pidfd, &unused, WEXITED | WNOHANG);
	c->walker_pidfd = fd_close(c->walker_pidfd);
	return false;
}

/* Returns the socket to it, or -1. */
static int start_walker(struct netns_child *c)
{
	struct child w = { .fd = -1 };

	if (walker_start(&w, &c->tools) < 0)
		return -1;
	c->walker_pidfd = (int)syscall(SYS_pidfd_open, w.pid, 0);
	/* one that cannot be watched must not stay: it ends with its socket */
	if (c->walker_pidfd < 0)
		child_end(&w);
	return c->walker_pidfd < 0 ? -1 : w.fd;
}

/* COMMAND is not started: its stdin and stdout are open here, and it will be PID 2. */
static bool is_command_due(const struct netns_child *c)
{
	return c->command.argv && c->command.pid <= 0;
}

/*
 * A new one when the one before is gone: a command may kill all that it sees. Never two, or
 * whoever has taken over the forwarder could start processes without end. None before
 * COMMAND, whose PID it would have, and whose pipes it would keep: it is asked for again.
 */
static int supply_walker(struct netns_child *c)
{
	struct connector_reply reply = { .type = CONNECTOR_WALKER };
	int fd = is_command_due(c) || is_walker_alive(c) ? -1 : start_walker(c);
	int r = fd_send(c->forwarder.fd, &reply, sizeof(reply), &fd, fd >= 0);

	fd_close(fd);
	return r;
}

/* Of another machine's sockets this namespace knows nothing. */
static int supply_gauge(int to, const struct connector_request *request)
{
	struct connector_reply reply = {
		.type = CONNECTOR_GAUGE,
		.family = (uint8_t)request->target.family,
	};
	int fd = netns_has_address(&request->target) ? udp_gauge_open() : -1;
	int r = fd_send(to, &reply, sizeof(reply), &fd, fd >= 0);

	fd_close(fd);
	return r;
}

/* What is taken over of @fds, which has room for CONNECTOR_TOOLS_FDS, is -1 afterwards. */
static int serve(struct netns_child *c, const struct connector_request *request, int *fds)
{
	switch (request->type) {
	case CONNECTOR_SOCKETS:
		return supply_sockets(c->forwarder.fd, request);
	case CONNECTOR_GAUGE:
		return supply_gauge(c->forwarder.fd, request);
	case CONNECTOR_CAPTURE:
		return capture(c->forwarder.fd, &c->tools, request);
	case CONNECTOR_WALKER:
		return supply_walker(c);
	case CONNECTOR_TOOLS:
		fd_close(c->tools.capture_fd);
		fd_close(c->tools.walk_fd);
		c->tools.capture_fd = TAKE_FD(fds[0]);
		c->tools.walk_fd = TAKE_FD(fds[1]);
		fd_close(c->tools.rings_fd);
		c->tools.rings_fd = TAKE_FD(fds[2]);
	}
	return 0;
}

static void on_forwarder(struct loop_source *source, uint32_t events)
{
	struct netns_child *c =
		(void *)((char *)source - offsetof(struct netns_child, forwarder));
	struct connector_request request = { 0 };
	int fds[CONNECTOR_TOOLS_FDS] = { -1, -1, -1 }, r;
	char data[sizeof(request)];
	size_t n = 0;
	ssize_t len;

	len = fd_recv(source->fd, data, sizeof(data), fds, CONNECTOR_TOOLS_FDS, &n);
	if (len == -EAGAIN)
		return;
	r = len < 0 ? (int)len : connector_request_decode(data, (size_t)len, n, &request);
	if (r >= 0 && serve(c, &request, fds) == -EAGAIN)
		r = -ETIMEDOUT;
	for (size_t i = 0; i < CONNECTOR_TOOLS_FDS; i++)
		fd_close(fds[i]);
	if (r >= 0)
		return;
	/* at end of file the forwarder is gone; the supervisor decides what follows */
	if (len != 0 && len != -ECONNRESET)
		log_error("%s the forwarder: %s; it gets no more sockets from the container",
			  r == -ETIMEDOUT ? "a reply to" : "a message of", errno_text(r));
	loop_del(source);
	source->fd = fd_close(source->fd);
}

static int enter(int fd, uint64_t *ret_cookie, struct error *err)
{
	_cleanup_close_ int in_there = -1;
	int r = netns_enter(fd, err);

	if (r < 0)
		return r;
	in_there = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd_netns_cookie(in_there, ret_cookie);
	return 0;
}

static int setup(const struct netns_request *request, struct error *err)
{
	int r = netns_lo_up(err);

	netns_reuse_ports();
	return r < 0 ? r : mounts_setup(&request->nameserver, err);
}

/*
 * The forwarder asks this process for sockets, and so would whoever took the
 * forwarder over. CAP_NET_ADMIN: for the buffers of UDP sockets, SO_RCVBUFFORCE.
 */
static int isolate(struct error *err)
{
	const struct isolation isolation = {
		.process = FILTER_NETNS,
		.name = "netns child",
		.capabilities = UINT64_C(1) << CAP_NET_ADMIN,
		.bpf_commands = shunt_tools_bpf_commands(),
	};
	int r = isolation_enter(&isolation);

	return r < 0 ? error_errno(err, r, "cannot isolate the netns child") : 0;
}

static int obey(struct netns_child *c, const struct netns_request *request,
		int passed_fd, struct netns_reply *reply, struct error *err)
{
	switch (request->type) {
	case NETNS_ENTER:
		return enter(passed_fd, &reply->cookie, err);
	case NETNS_SETUP:
		return setup(request, err);
	case NETNS_ADDRESS:
		return netns_child_address(&reply->address, reply->text, err);
	case NETNS_OTHER:
		return netns_other_address(&request->beside, &reply->address, reply->text, err);
	case NETNS_DAD_OFF:
		return netns_accept_dad_off(&c->accept_dad, err);
	case NETNS_DAD_RESTORE:
		netns_accept_dad_restore(c->accept_dad);
		c->accept_dad = -1;
		return 0;
	case NETNS_WAIT_IPV6:
		ipv6_wait(IPV6_TIMEOUT_MS);
		return 0;
	case NETNS_ISOLATE:
		return isolate(err);
	default:
		return error_set(err, -EINVAL, "unknown request %u", request->type);
	}
}

static void answer(struct netns_child *c, struct netns_reply *reply, int r,
		   const struct error *err)
{
	reply->error = r;
	if (r < 0)
		memcpy(reply->text, err->text, sizeof(reply->text));
	fd_send(c->control.fd, reply, sizeof(*reply), NULL, 0);
}

static void on_command_end(struct command *command, int status)
{
	struct netns_child *c = (void *)((char *)command - offsetof(struct netns_child, command));
	struct netns_reply reply = { .status = status };

	fd_send(c->control.fd, &reply, sizeof(reply), NULL, 0);
	c->exit_status = status;
	loop_stop(&c->loop);
}

static void on_typed(struct command *command, int signal)
{
	struct netns_child *c = (void *)((char *)command - offsetof(struct netns_child, command));
	struct netns_reply reply = { .status = -signal };

	fd_send(c->control.fd, &reply, sizeof(reply), NULL, 0);
}

static void run(struct netns_child *c, const struct netns_request *request)
{
	struct netns_reply reply = { 0 };
	struct error err = { "" };
	int r;

	c->command.typed = on_typed;
	if (request->run.terminal)
		command_own_group(&c->command, &c->loop);
	r = command_start(&c->command, request->run.blocked, request->run.ignored,
			  &reply.status, &err);
	if (r < 0)
		answer(c, &reply, r, &err);
	else /* init must not keep a pipe open that COMMAND has closed */
		fd_close_all_but((int[]){ STDERR_FILENO, c->control.fd,
					  c->forwarder.fd, c->loop.epoll_fd,
					  c->command.sigchld.fd,
					  c->command.group_signals.fd, c->tools.capture_fd,
					  c->tools.walk_fd, c->tools.rings_fd, c->walker_pidfd,
					  log_fd() }, 11);
}

static void on_control(struct loop_source *source, uint32_t events)
{
	struct netns_child *c =
		(void *)((char *)source - offsetof(struct netns_child, control));
	struct netns_request request;
	struct netns_reply reply = { 0 };
	struct error err = { "" };
	int passed_fd = -1, r;
	size_t n = 0;
	ssize_t len;

	len = fd_recv(source->fd, &request, sizeof(request), &passed_fd, 1, &n);
	if (len == -EAGAIN)
		return;
	if (len < 0 || netns_request_check(&request, (size_t)len, n) < 0) {
		/* without a supervisor there is nobody to live for */
		fd_close(passed_fd);
		loop_stop(&c->loop);
		return;
	}
	log_init(request.log_level, request.log_json);
	if (request.type == NETNS_SIGNAL) {
		command_signal(&c->command, request.signal.number, request.signal.group);
	} else if (request.type == NETNS_RUN) {
		run(c, &request);
	} else {
		r = obey(c, &request, passed_fd, &reply, &err);
		answer(c, &reply, r, &err);
		memory_trim();
	}
	fd_close(passed_fd);
}

int netns_child_main(int control_fd, int forwarder_fd, char **command)
{
	static struct netns_child c = {
		.accept_dad = -1, .tools = { -1, -1, -1 }, .walker_pidfd = -1,
	};
	const struct timeval limit = { .tv_sec = FORWARDER_TIMEOUT_S };
	int r;

	/* COMMAND belongs to the user, who may look into it and join its namespaces */
	if (!command)
		isolation_hide();
	process_die_with_parent();
	fd_set_cloexec(control_fd, 1);
	fd_set_cloexec(forwarder_fd, 1);
	setsockopt(forwarder_fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!command)
		fd_close_all_but((int[]){ STDERR_FILENO, control_fd, forwarder_fd }, 3);
	log_open();
	r = loop_init(&c.loop);
	if (r >= 0)
		r = loop_add(&c.loop, &c.control, control_fd, EPOLLIN, on_control);
	if (r >= 0)
		r = loop_add(&c.loop, &c.forwarder, forwarder_fd, EPOLLIN,
			     on_forwarder);
	if (r >= 0 && command)
		r = command_init(&c.command, &c.loop, command, on_command_end);
	/* sockets that wait for the forwarder count, and so do all others of this user: unix(7) */
	fd_raise_nofile();
	if (r >= 0)
		r = loop_run(&c.loop);
	if (r < 0) {
		log_error("netns child: %s", errno_text(r));
		return 125;
	}
	return c.exit_status;
}
