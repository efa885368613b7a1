/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/slirp4netns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/goquote.h"
#include "base/log.h"
#include "supervisor/slirp4netns/argv.h"
#include "supervisor/slirp4netns/logfile.h"
#include "supervisor/slirp4netns/probe.h"
#include "supervisor/slirp4netns/reap.h"
#include "supervisor/slirp4netns/spawn.h"

/* It leaves within milliseconds of the end of the exit pipe. */
#define EXIT_TIMEOUT_MS 500
/* A dying process closes its pipes just before its pidfd tells. */
#define DEATH_TIMEOUT_MS 300

/* What the child takes over and the parent closes after the spawn. */
struct child_ends {
	int null, exit_r, ready_w;
};

static void child_ends_done(struct child_ends *e)
{
	e->null = fd_close(e->null);
	e->exit_r = fd_close(e->exit_r);
	e->ready_w = fd_close(e->ready_w);
}

static void close_all(struct slirp4netns *s)
{
	s->pidfd = fd_close(s->pidfd);
	s->exit_fd = fd_close(s->exit_fd);
	s->ready_fd = fd_close(s->ready_fd);
	s->log_fd = fd_close(s->log_fd);
	s->api_fd = fd_close(s->api_fd);
}

void slirp4netns_init(struct slirp4netns *s)
{
	*s = (struct slirp4netns){
		.pidfd = -1,
		.exit_fd = -1,
		.ready_fd = -1,
		.log_fd = -1,
		.api_fd = -1,
	};
}

static int open_pipes(struct slirp4netns *s, struct child_ends *e,
		      struct error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "failed to open pipe");
	s->ready_fd = fds[0];
	e->ready_w = fds[1];
	fcntl(s->ready_fd, F_SETFL, O_NONBLOCK);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno,
				   "failed to create rootless network sync pipe");
	e->exit_r = fds[0];
	s->exit_fd = fds[1];
	e->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (e->null < 0)
		return error_errno(err, -errno, "/dev/null");
	return 0;
}

static int set_api_path(struct slirp4netns *s, const char *tmpdir,
			const char *id, struct error *err)
{
	int n = snprintf(s->api_path, sizeof(s->api_path), "%s/%s.net", tmpdir,
			 id);

	if (n >= 0 && (size_t)n < sizeof(s->api_path))
		return 0;
	return error_set(err, -ENAMETOOLONG,
			 "slirp4netns API socket %s/%s.net: %d bytes, at most %zu "
			 "are possible (a shorter --tmpdir or --id helps)",
			 tmpdir, id, n, sizeof(s->api_path) - 1);
}

/* One name in tmpdir, whoever chose it. */
static int check_id(const char *id, struct error *err)
{
	char quoted[256];

	if (id[0] && !strchr(id, '/'))
		return 0;
	return error_set(err, -EINVAL, "invalid id %s: a file name is needed",
			 goquote(id, strlen(id), quoted, sizeof(quoted)));
}

static int run(struct slirp4netns *s, struct slirp4netns_argv *argv,
	       const struct child_ends *e, bool sandbox, int userns_fd,
	       struct error *err)
{
	struct spawn spec = {
		.path = s->path,
		.argv = argv->v,
		.fds = { e->null, s->log_fd, s->log_fd, e->exit_r, e->ready_w },
		.n_fds = SLIRP4NETNS_READY_FD + 1,
		.userns_fd = userns_fd,
		.new_mntns = sandbox,
	};
	int r = spawn(&spec, &s->pid, &s->pidfd, err);

	return r < 0 ? error_wrap(err, r, "failed to start slirp4netns process") :
		       0;
}

/* Podman drops these options in silence, too; but whoever runs this relies on them. */
static void warn_of_missing(const char *path, bool loopback, bool sandbox)
{
	if (loopback)
		log_warn("%s is too old for --disable-host-loopback%s: the container reaches "
			 "services of the host's 127.0.0.1%s; install a newer slirp4netns", path,
			 sandbox ? " and --enable-sandbox" : "",
			 sandbox ? ", and slirp4netns itself can reach the host's files" : "");
	else if (sandbox)
		log_warn("%s is too old for --enable-sandbox: slirp4netns can reach the host's "
			 "files; install a newer slirp4netns", path);
}

static int start(struct slirp4netns *s, const struct slirp4netns_options *o,
		 const char *binary, bool no_pivot_root, const char *tmpdir,
		 const char *id, const struct slirp4netns_target *t,
		 struct error *err)
{
	_cleanup_(child_ends_done) struct child_ends ends = { -1, -1, -1 };
	_cleanup_(slirp4netns_argv_done) struct slirp4netns_argv argv = { 0 };
	struct slirp4netns_features features = { 0 };
	struct slirp4netns_launch launch = {
		.path = s->path,
		.netns_path = t->netns_path,
		.pid = t->pid,
	};
	int r;

	r = check_id(id, err);
	if (r < 0)
		return r;
	r = slirp4netns_find(binary, s->path, err);
	if (r < 0)
		return r;
	r = slirp4netns_probe(s->path, &features, err);
	if (r < 0)
		return r;
	if (t->has_ports && o->port_handler == SLIRP4NETNS_PORTS_API) {
		r = set_api_path(s, tmpdir, id, err);
		if (r < 0)
			return r;
		launch.api_path = s->api_path;
	}
	launch.sandbox = !no_pivot_root && features.enable_sandbox;
	r = slirp4netns_argv_init(&argv, &launch, o, &features, err);
	if (r < 0)
		return r;
	warn_of_missing(s->path, !o->allow_host_loopback && !features.disable_host_loopback,
			!no_pivot_root && !features.enable_sandbox);
	r = open_pipes(s, &ends, err);
	if (r < 0)
		return r;
	s->log_fd = logfile_open(tmpdir, id, err);
	if (s->log_fd < 0)
		return s->log_fd;
	return run(s, &argv, &ends, launch.sandbox, t->userns_fd, err);
}

int slirp4netns_start(struct slirp4netns *s, const struct slirp4netns_options *o,
		      const char *binary, bool no_pivot_root, const char *tmpdir,
		      const char *id, const struct slirp4netns_target *t,
		      struct error *err)
{
	int r;

	slirp4netns_init(s);
	r = start(s, o, binary, no_pivot_root, tmpdir, id, t, err);
	if (r < 0) {
		close_all(s);
		slirp4netns_init(s);
	}
	return r;
}

int slirp4netns_death(struct slirp4netns *s, struct error *err)
{
	char quoted[ERROR_TEXT_MAX], text[REAP_TEXT_MAX];
	/* so that the closing quote is not cut off when the path is long */
	size_t before = strnlen(s->path, sizeof(quoted) / 2) + 64;
	struct reaped end;
	int r;

	if (!s->pid)
		return error_set(err, -ECHILD, "%s failed", s->path);
	if (!reap_wait(s->pidfd, 0))
		return -EAGAIN;
	r = reap(s->pid, s->pidfd, &end);
	s->pid = 0;
	if (r < 0)
		return error_errno(err, r, "failed to read %s process status",
				   s->path);
	if (end.is_signal)
		return error_set(err, -ESRCH, "%s killed by signal", s->path);
	logfile_quote(s->log_fd, quoted, sizeof(quoted) - before);
	if (strcmp(quoted, "\"\"") == 0)
		return error_set(err, -ESRCH, "%s failed: %s (%s)", s->path,
				 quoted, reap_text(&end, text));
	return error_set(err, -ESRCH, "%s failed: %s", s->path, quoted);
}

int slirp4netns_ready(struct slirp4netns *s, struct error *err)
{
	char byte;
	ssize_t n;
	int r;

	r = slirp4netns_death(s, err);
	if (r != -EAGAIN)
		return r;
	if (s->ready_fd < 0)
		return 1;
	n = read(s->ready_fd, &byte, 1);
	r = n < 0 ? -errno : 0;
	if (n > 0) {
		s->ready_fd = fd_close(s->ready_fd);
		return 1;
	}
	if (r == -EAGAIN || r == -EINTR)
		return 0;
	/* the end of the pipe is most often the death of its writer */
	if (reap_wait(s->pidfd, DEATH_TIMEOUT_MS))
		return slirp4netns_death(s, err);
	return error_set(err, r < 0 ? r : -EPIPE,
			 "failed to read from %s sync pipe: %s", s->path,
			 r < 0 ? errno_text(r) : "EOF");
}

int slirp4netns_wait_ready(struct slirp4netns *s, struct error *err)
{
	struct pollfd fds[] = { { .fd = s->ready_fd, .events = POLLIN },
				{ .fd = s->pidfd, .events = POLLIN } };
	int r;

	do {
		/* EINTR needs no care: then there is nothing yet to read */
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return error_errno(err, -errno, "poll");
		r = slirp4netns_ready(s, err);
	} while (r == 0);
	return r < 0 ? r : 0;
}

void slirp4netns_stop(struct slirp4netns *s)
{
	struct reaped end;

	s->exit_fd = fd_close(s->exit_fd);
	if (s->pid) {
		reap_wait(s->pidfd, EXIT_TIMEOUT_MS);
		reap(s->pid, s->pidfd, &end);
	}
	/* it cannot do this itself from inside its sandbox */
	if (s->api_path[0] && s->api_fd < 0)
		unlink(s->api_path);
	close_all(s);
	slirp4netns_init(s);
}
