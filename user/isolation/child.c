/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/child.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "isolation/hide.h"

/* Longer than its work takes, and no time for somebody who waits for an end. */
#define END_MS 200

static void __attribute__((noreturn)) run(int fd, const struct child_spec *spec)
{
	isolation_hide();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a terminal's ^C is not for it */
	setpgid(0, 0);
	fd_close_all_but((int[]){ STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, fd, log_fd(),
				  spec->keep[0], spec->keep[1] }, 5 + CHILD_KEEP_MAX);
	/* what it needs it has */
	if (isolation_enter(spec->isolation) < 0)
		_exit(1);
	spec->work(fd, spec->context);
	_exit(0);
}

int child_start(struct child *c, const struct child_spec *spec)
{
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run(fds[1], spec);
	r = -errno;
	fd_close(fds[1]);
	if (pid < 0) {
		fd_close(fds[0]);
		return r;
	}
	*c = (struct child){ .pid = pid, .fd = fds[0] };
	return 0;
}

void child_end(struct child *c)
{
	const struct timeval limit = { .tv_usec = END_MS * 1000 };
	char unused[64];
	bool ended;
	ssize_t n;

	if (c->pid <= 0)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	shutdown(c->fd, SHUT_WR);
	do {
		n = recv(c->fd, unused, sizeof(unused), 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	/* its end of the socket closes when it ends */
	ended = n == 0 || errno == ECONNRESET;
	c->fd = fd_close(c->fd);
	waitpid(c->pid, NULL, ended ? 0 : WNOHANG);
	c->pid = 0;
}
