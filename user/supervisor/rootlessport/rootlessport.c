/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rootlessport/rootlessport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/goquote.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/memory.h"
#include "isolation/filter.h"
#include "isolation/hide.h"
#include "isolation/identity.h"
#include "supervisor/clients.h"
#include "supervisor/netns.h"
#include "supervisor/rootlessport/ports.h"
#include "supervisor/rootlessport/reload.h"
#include "supervisor/targets.h"

/* Nothing is waited for but that the forwarder closes everything. */
#define FORWARDER_GRACE_MS 950

struct helper {
	const struct rootlessport_config *config;
	struct client forwarder, netns;
	struct loop loop;
	struct loop_source exit_fd, signals, forwarder_end, netns_end;
	struct reload_server reload;
	int result;
	struct error *err;
};

#define OF(source, member)                                                                         \
	((struct helper *)((char *)(source) - offsetof(struct helper, member)))

static int make_dir(const char *path, struct error *err)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return 0;
	if (stat(path, &st) < 0)
		return error_errno(err, -errno, "mkdir %s", path);
	return S_ISDIR(st.st_mode) ? 0 : error_errno(err, -ENOTDIR, "mkdir %s", path);
}

/* The directory of the reload sockets is there in any case, and all above it. */
static int make_rp(const char *tmpdir, char *ret, size_t size, struct error *err)
{
	int n = snprintf(ret, size, "%s%srp", tmpdir, *tmpdir ? "/" : ""), r = 0;

	if (n >= (int)size)
		return error_errno(err, -ENAMETOOLONG, "mkdir %s", ret);
	for (char *p = ret + 1; *p && r >= 0; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = make_dir(ret, err);
		*p = '/';
	}
	return r < 0 ? r : make_dir(ret, err);
}

/* In the words of the library that the original opens it with, then in ours. */
static int open_netns(const char *path, struct error *err)
{
	char quoted[PATH_MAX + GOQUOTE_MIN];
	struct statfs fs;

	goquote(path, strlen(path), quoted, sizeof(quoted));
	if (statfs(path, &fs) < 0)
		return error_errno(err, -errno, "failed to Statfs %s", quoted);
	if (fs.f_type != NSFS_MAGIC && fs.f_type != PROC_SUPER_MAGIC)
		return error_set(err, -EINVAL, "unknown FS magic on %s: %lx", quoted,
				 (unsigned long)fs.f_type);
	return netns_open(path, 0, err);
}

static int spawn_both(struct helper *h, struct error *err)
{
	struct process_spec spec = { .own_group = true, .log_fd = -1, .wait_fd = -1 };
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, -errno, "cannot make a socket pair");
	r = client_spawn(&h->forwarder, "@forwarder", fds[0], &spec, err);
	if (r >= 0)
		r = client_spawn(&h->netns, "@netns", fds[1], &spec, err);
	fd_close(fds[0]);
	fd_close(fds[1]);
	return r;
}

/*
 * They outlive podman's interest: with its pipe as their stderr somebody would
 * wait for its end, or they would write to nobody.
 */
static int spawn_quietly(struct helper *h, struct error *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int r;

	if (null < 0 || was < 0)
		return error_errno(err, -errno, "cannot open /dev/null");
	dup2(null, STDERR_FILENO);
	r = spawn_both(h, err);
	dup2(was, STDERR_FILENO);
	return r;
}

/* Long before ready: after it podman loses what has not been read. */
static int tell_datapath(struct helper *h, struct error *err)
{
	struct forwarder_request ask = { .type = FORWARDER_RULES };
	struct forwarder_reply reply = { 0 };
	int r = forwarder_ask(&h->forwarder, &ask, &reply, err);

	if (r >= 0)
		log_info("%zu mapping%s to publish to %s, datapath %s", h->config->n_mappings,
			 h->config->n_mappings == 1 ? "" : "s", *h->config->child_ip ? h->config->child_ip : "127.0.0.1",
			 datapath_name(reply.rules.datapath));
	return r;
}

static bool has_udp(const struct rootlessport_config *c)
{
	bool has = false;

	for (size_t i = 0; i < c->n_mappings; i++)
		has |= strstr(c->mappings[i].protocol, "udp") != NULL;
	return has;
}

static int start_helpers(struct helper *h, const struct config *options, struct error *err)
{
	_cleanup_close_ int netns = open_netns(h->config->netns_path, err);
	struct netns_request enter = { .type = NETNS_ENTER };
	struct netns_request isolate = { .type = NETNS_ISOLATE };
	struct netns_reply entered;
	struct forwarder_request setup = {
		.type = FORWARDER_SETUP,
		.setup = {
			.datapath = (uint8_t)options->datapath,
			.log_level = (uint8_t)log_level_get(),
			.may_have_udp = has_udp(h->config),
			.udp = options->udp,
			.all = options->all_limits,
			.each = options->rule_limits,
		},
	};
	int r = netns < 0 ? netns : spawn_quietly(h, err);

	if (r >= 0)
		r = forwarder_call(&h->forwarder, &setup, NULL, 0, err);
	if (r >= 0)
		r = tell_datapath(h, err);
	/* before anything fails that is rarer: a busy port is the commonest mistake */
	if (r >= 0)
		r = rootlessport_open(&h->forwarder, h->config, err);
	if (r >= 0)
		r = netns_call(&h->netns, &enter, netns, &entered, err);
	if (r >= 0)
		r = netns_call(&h->netns, &isolate, -1, &entered, err);
	return r;
}

/* Connect to @child_ip: at the start, and when podman says so again. */
static int set_child_ip(struct helper *h, const char *child_ip, bool is_running,
			struct error *err)
{
	/* a reload has other addresses, not other ports */
	struct forwarder_request start = { .type = FORWARDER_START, .start.is_final = true };
	int r = rootlessport_child_ip(child_ip, &start.start.target4, &start.start.target6, err);

	if (r >= 0)
		r = targets_complete(&h->netns, is_running, &start, err);
	return r < 0 ? r : forwarder_call(&h->forwarder, &start, NULL, 0, err);
}

static int on_reload(void *context, const char *child_ip, struct error *err)
{
	return set_child_ip(context, child_ip, true, err);
}

static int start_forwarding(struct helper *h, struct error *err)
{
	const struct rootlessport_config *c = h->config;
	struct addr unused4, unused6;
	int r;

	/* without a port the original has no use for the address, and no complaint */
	r = rootlessport_child_ip(c->child_ip, &unused4, &unused6, NULL);
	r = set_child_ip(h, r < 0 ? "" : c->child_ip, false, err);
	if (r >= 0)
		client_running(&h->forwarder, h->signals.fd, c->exit_fd);
	return r;
}

static void end(struct helper *h, int result)
{
	h->result = result;
	loop_stop(&h->loop);
}

static void on_exit_fd(struct loop_source *source, uint32_t events)
{
	char unused[256];
	ssize_t n = 0;

	/* bytes say nothing, the end does */
	if (events & EPOLLIN)
		n = read(source->fd, unused, sizeof(unused));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(OF(source, exit_fd), 0);
}

static void on_signal(struct loop_source *source, uint32_t events)
{
	end(OF(source, signals), 0);
}

static void on_forwarder_end(struct loop_source *source, uint32_t events)
{
	struct helper *h = OF(source, forwarder_end);

	end(h, error_set(h->err, -ECHILD, "the forwarder ended"));
}

static void on_netns_end(struct loop_source *source, uint32_t events)
{
	struct helper *h = OF(source, netns_end);

	end(h, error_set(h->err, -ECHILD, "the netns child ended"));
}

/* What is ignored stays so: podman may run under nohup(1). */
static int watch_signals(struct helper *h)
{
	static const int all[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction was;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (sigaction(all[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			sigaddset(&set, all[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : loop_add(&h->loop, &h->signals, fd, EPOLLIN, on_signal);
}

static int watch(struct helper *h, struct error *err)
{
	int r = loop_add(&h->loop, &h->forwarder_end, h->forwarder.process.pidfd, EPOLLIN,
			 on_forwarder_end);

	if (r >= 0)
		r = loop_add(&h->loop, &h->netns_end, h->netns.process.pidfd, EPOLLIN,
			     on_netns_end);
	if (r < 0)
		return error_errno(err, r, "cannot watch the processes");
	r = loop_add(&h->loop, &h->exit_fd, h->config->exit_fd, EPOLLIN, on_exit_fd);
	return r < 0 ? error_errno(err, r, "ExitFD %d", h->config->exit_fd) : 0;
}

/* podman reads one byte, and closes its ends of our stdout and stderr. */
static int tell_ready(const struct rootlessport_config *c, struct error *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	if (null < 0)
		return error_errno(err, -errno, "cannot open /dev/null");
	/* the last moment at which a failure can be told */
	if ((fcntl(c->ready_fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return error_errno(err, -EBADF, "write ReadyFD %d", c->ready_fd);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	/* podman's pipe may be open a second time there */
	if (log_fd() > STDERR_FILENO)
		dup3(null, log_fd(), O_CLOEXEC);
	r = fd_write_all(c->ready_fd, "1", 1);
	fd_close(c->ready_fd);
	return r < 0 ? error_errno(err, r, "write ReadyFD %d", c->ready_fd) : 0;
}

static int start(struct helper *h, const struct config *options, struct error *err)
{
	const struct rootlessport_config *c = h->config;
	char rp[PATH_MAX];
	int r = make_rp(c->tmpdir, rp, sizeof(rp), err);

	if (r < 0)
		return r;
	r = loop_init(&h->loop);
	if (r >= 0)
		r = watch_signals(h);
	if (r < 0)
		return error_errno(err, r, "cannot watch signals");
	r = start_helpers(h, options, err);
	if (r >= 0)
		r = start_forwarding(h, err);
	if (r >= 0)
		r = watch(h, err);
	if (r >= 0 && c->reloadable)
		r = reload_open(&h->reload, rp, c->container_id, &h->loop, on_reload, h, err);
	return r < 0 ? r : tell_ready(c, err);
}

static void stop(struct helper *h)
{
	struct forwarder_request request = { .type = FORWARDER_STOP };

	reload_done(&h->reload);
	if (h->forwarder.fd >= 0) {
		fd_send(h->forwarder.fd, &request, sizeof(request), NULL, 0);
		client_done(&h->forwarder, FORWARDER_GRACE_MS);
	}
	client_done(&h->netns, 0);
}

int rootlessport_main(const struct rootlessport_config *config, const struct config *options,
		      struct error *err)
{
	static struct helper h;
	int r;

	isolation_hide();
	isolation_no_new_privs();
	h.config = config;
	h.err = err;
	client_init(&h.forwarder);
	client_init(&h.netns);
	reload_init(&h.reload);
	fd_set_cloexec(config->exit_fd, 1);
	fd_set_cloexec(config->ready_fd, 1);
	fd_raise_nofile();
	r = start(&h, options, err);
	/* to end the helpers, where they have other ids */
	if (r >= 0)
		r = identity_keep_capabilities(UINT64_C(1) << CAP_KILL);
	if (r >= 0)
		r = filter_enter(FILTER_SUPERVISOR, "rootlessport", NULL);
	if (r >= 0) {
		memory_trim();
		r = loop_run(&h.loop);
	}
	if (r < 0 && !*err->text)
		error_errno(err, r, "event loop");
	stop(&h);
	return r < 0 ? r : h.result;
}
