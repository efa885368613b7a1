/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/goquote.h"
#include "supervisor/slirp4netns/reap.h"
#include "supervisor/slirp4netns/spawn.h"

/* Printing a help text takes milliseconds; a busy host is allowed for. */
#define HELP_TIMEOUT_MS 5000
/* 1.3 prints 2 KiB; a program that prints without end is cut off here. */
#define HELP_MAX 16384

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static bool find_in_path(const char *name, char ret[PATH_MAX])
{
	const char *dirs = getenv("PATH");

	while (dirs && *dirs) {
		int len = (int)strcspn(dirs, ":");

		if (dirs[0] == '/' &&
		    snprintf(ret, PATH_MAX, "%.*s/%s", len, dirs, name) <
			    PATH_MAX &&
		    is_program(ret))
			return true;
		dirs += len;
		dirs += *dirs == ':';
	}
	return false;
}

int slirp4netns_find(const char *configured, char ret_path[PATH_MAX],
		     struct error *err)
{
	const char *name = configured ? configured : "slirp4netns";
	size_t len = strlen(name);
	char path[PATH_MAX], quoted[256];

	if (strchr(name, '/')) {
		/* run by this very name, which messages then show */
		if (len >= PATH_MAX)
			return error_errno(err, -ENAMETOOLONG,
					   "path of slirp4netns");
		memcpy(ret_path, name, len + 1);
		return 0;
	}
	if (!find_in_path(name, path))
		return error_set(err, -ENOENT,
				 "could not find slirp4netns, the network "
				 "namespace can't be configured: exec: %s: "
				 "executable file not found in $PATH (install "
				 "it, or name it with --slirp4netns PATH)",
				 goquote(name, len, quoted, sizeof(quoted)));
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}

/*
 * Read until end of file, or until the process is dead and the pipe empty: a
 * child of its own may hold the pipe open. False when time ran out.
 */
static bool read_help(int fd, int pidfd, char out[HELP_MAX], size_t *ret_len)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = pidfd, .events = POLLIN } };
	struct deadline end = deadline_in(HELP_TIMEOUT_MS);

	*ret_len = 0;
	for (;;) {
		char rest[512];
		bool is_full = *ret_len == HELP_MAX - 1;
		ssize_t r;

		r = poll(fds, 2, deadline_left(&end));
		if (r == 0)
			return false;
		if (r < 0)
			continue; /* EINTR; the deadline ends the rest */
		r = read(fd, is_full ? rest : out + *ret_len,
			 is_full ? sizeof(rest) : HELP_MAX - 1 - *ret_len);
		if (r == 0 || (r < 0 && errno == EAGAIN && fds[1].revents))
			break;
		if (r > 0 && !is_full)
			*ret_len += (size_t)r;
	}
	out[*ret_len] = '\0';
	return true;
}

/* Returns 0 only for exit status 0; any other end is put as Go puts it. */
static int run_help(const char *path, char out[HELP_MAX], size_t *ret_len,
		    struct error *err)
{
	char *argv[] = { (char *)path, (char *)"--help", NULL };
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int out_r = -1, out_w = -1, pidfd = -1;
	char text[REAP_TEXT_MAX];
	struct reaped end = { 0 };
	bool in_time;
	int fds[2];
	pid_t pid = 0;
	int r;

	*ret_len = 0;
	if (null < 0)
		return error_errno(err, -errno, "/dev/null");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "failed to open pipe");
	out_r = fds[0];
	out_w = fds[1];
	fcntl(out_r, F_SETFL, O_NONBLOCK);
	r = spawn(&(struct spawn){ .path = path,
				   .argv = argv,
				   .fds = { null, out_w, out_w },
				   .n_fds = 3,
				   .userns_fd = -1 },
		  &pid, &pidfd, err);
	if (r < 0)
		return r;
	out_w = fd_close(out_w);
	in_time = read_help(out_r, pidfd, out, ret_len) &&
		  reap_wait(pidfd, HELP_TIMEOUT_MS);
	r = reap(pid, pidfd, &end);
	if (!in_time)
		return error_set(err, -ETIMEDOUT, "still running after %d s",
				 HELP_TIMEOUT_MS / 1000);
	if (r < 0)
		return error_errno(err, r, "wait");
	if (end.is_signal || end.status)
		return error_set(err, -EIO, "%s", reap_text(&end, text));
	return 0;
}

int slirp4netns_probe(const char *path, struct slirp4netns_features *ret,
		      struct error *err)
{
	char help[HELP_MAX], output[256], inner[384], quoted[512];
	struct error why = { 0 };
	size_t len;
	int r = run_help(path, help, &len, &why);

	if (r < 0) {
		snprintf(inner, sizeof(inner), "slirp4netns %s: %.100s",
			 goquote(help, len, output, sizeof(output)), why.text);
		return error_set(err, r,
				 "checking slirp4netns binary %.256s: %s: %s",
				 path,
				 goquote(inner, strlen(inner), quoted,
					 sizeof(quoted)),
				 inner);
	}
	*ret = (struct slirp4netns_features){
		.disable_host_loopback = strstr(help, "--disable-host-loopback"),
		.mtu = strstr(help, "--mtu"),
		.enable_sandbox = strstr(help, "--enable-sandbox"),
		.enable_seccomp = strstr(help, "--enable-seccomp"),
		.cidr = strstr(help, "--cidr"),
		.outbound_addr = strstr(help, "--outbound-addr"),
		.enable_ipv6 = strstr(help, "--enable-ipv6"),
	};
	return 0;
}
