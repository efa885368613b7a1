/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/walker.h"

#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "isolation/hide.h"
#include "isolation/isolate.h"

/* Longer than a walk takes, and no time for somebody who waits for an end. */
#define END_MS 200

static void __attribute__((noreturn)) work(int fd, const struct shunt_tools *tools)
{
	static const int commands[] = { BPF_ITER_CREATE, -1 };
	static const struct isolation isolation = {
		.process = FILTER_WALKER,
		.name = "walker",
		.bpf_commands = commands,
	};
	int32_t result;
	char ask;

	isolation_hide();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a terminal's ^C is not for it */
	setpgid(0, 0);
	fd_close_all_but((int[]){ STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, fd,
				  tools->walk_fd, log_fd() }, 6);
	/* what it needs it has: the link */
	if (isolation_enter(&isolation) < 0)
		_exit(1);
	while (recv(fd, &ask, sizeof(ask), 0) == sizeof(ask)) {
		result = shunt_walk(tools);
		if (send(fd, &result, sizeof(result), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

int walker_start(struct walker *w, const struct shunt_tools *tools)
{
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		work(fds[1], tools);
	r = -errno;
	fd_close(fds[1]);
	if (pid < 0) {
		fd_close(fds[0]);
		return r;
	}
	*w = (struct walker){ .pid = pid, .fd = fds[0] };
	return 0;
}

int walker_ask(int fd)
{
	char ask = 0;

	if (send(fd, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(ask))
		return 0;
	return errno == EAGAIN ? -EAGAIN : -EPIPE;
}

int walker_answer_decode(const void *data, size_t len, int *ret)
{
	int32_t result;

	if (len != sizeof(result))
		return -EBADMSG;
	memcpy(&result, data, sizeof(result));
	if (result < -ERRNO_MAX || result > WALKER_MS_MAX)
		return -EBADMSG;
	*ret = result;
	return 0;
}

int walker_answer(int fd, int *ret_result)
{
	/* one byte more than an answer has, as a longer one is cut short in silence */
	char data[sizeof(int32_t) + 1];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	return walker_answer_decode(data, (size_t)n, ret_result);
}

void walker_end(struct walker *w)
{
	const struct timeval limit = { .tv_usec = END_MS * 1000 };
	int32_t unused;
	bool ended;
	ssize_t n;

	if (w->pid <= 0)
		return;
	setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	shutdown(w->fd, SHUT_WR);
	do {
		n = recv(w->fd, &unused, sizeof(unused), 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	/* its end of the socket closes when it ends */
	ended = n == 0 || errno == ECONNRESET;
	w->fd = fd_close(w->fd);
	waitpid(w->pid, NULL, ended ? 0 : WNOHANG);
	w->pid = 0;
}
