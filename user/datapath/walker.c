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
	struct walker_answer answer;
	uint8_t what;

	isolation_hide();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a terminal's ^C is not for it */
	setpgid(0, 0);
	fd_close_all_but((int[]){ STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, fd, tools->walk_fd,
				  tools->rings_fd, log_fd() }, 7);
	/* what it needs it has: the links */
	if (isolation_enter(&isolation) < 0)
		_exit(1);
	while (recv(fd, &what, sizeof(what), 0) == sizeof(what)) {
		answer = (struct walker_answer){ .what = what };
		answer.result = what == WALKER_RINGS ? shunt_rings(tools, &answer.users) :
						       shunt_walk(tools);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
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

int walker_ask(int fd, enum walker_task what)
{
	uint8_t ask = (uint8_t)what;

	if (send(fd, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(ask))
		return 0;
	return errno == EAGAIN ? -EAGAIN : -EPIPE;
}

int walker_answer_decode(const void *data, size_t len, struct walker_answer *ret)
{
	struct walker_answer answer;
	int32_t max;

	if (len != sizeof(answer))
		return -EBADMSG;
	memcpy(&answer, data, sizeof(answer));
	max = answer.what == WALKER_RINGS ? WALKER_US_MAX : WALKER_MS_MAX;
	if (answer.what > WALKER_RINGS || answer.result < -ERRNO_MAX || answer.result > max)
		return -EBADMSG;
	*ret = answer;
	return 0;
}

int walker_answer(int fd, struct walker_answer *ret)
{
	/* one byte more than an answer has, as a longer one is cut short in silence */
	char data[sizeof(*ret) + 1];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	return walker_answer_decode(data, (size_t)n, ret);
}

void walker_end(struct walker *w)
{
	const struct timeval limit = { .tv_usec = END_MS * 1000 };
	struct walker_answer unused;
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
