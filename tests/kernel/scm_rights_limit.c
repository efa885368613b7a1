/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of passing descriptors by SCM_RIGHTS (unix(7)): how many in a
 * message, what a receiver gets that has no room, how many may be under way.
 */
#include <linux/capability.h>
#include <sys/resource.h>

#include "kernel/process.h"

#define PER_MESSAGE 253 /* SCM_MAX_FD in include/net/scm.h */

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE((PER_MESSAGE + 1) * sizeof(int))];
};

/* Returns 1, the length of the message, or -errno. */
static long send_fds(int to, int fd, size_t n)
{
	static union control control;
	struct iovec iov = { .iov_base = (char *)"m", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[PER_MESSAGE + 1];

	for (size_t i = 0; i < n; i++)
		fds[i] = fd;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return RC(sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* Returns how many came and closes them, or -errno; *ret_flags: MSG_*. */
static long receive_fds(int from, int *ret_flags)
{
	static union control control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t r = recvmsg(from, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = r < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	long n = 0;
	int fd;

	if (r < 0)
		return -errno;
	*ret_flags = msg.msg_flags;
	for (; c && CMSG_LEN((size_t)(n + 1) * sizeof(int)) <= c->cmsg_len; n++) {
		memcpy(&fd, CMSG_DATA(c) + (size_t)n * sizeof(int), sizeof(fd));
		close(fd);
	}
	return n;
}

static void set_fd_limit(rlim_t n)
{
	struct rlimit r;

	MUST(getrlimit(RLIMIT_NOFILE, &r));
	r.rlim_cur = n;
	MUST(setrlimit(RLIMIT_NOFILE, &r));
}

static void per_message(const int fds[2])
{
	int flags = 0;

	tap_is(send_fds(fds[0], fds[0], PER_MESSAGE), 1,
	       "253 descriptors go in a message");
	tap_is(receive_fds(fds[1], &flags), PER_MESSAGE, "and arrive");
	tap_is(flags & (MSG_CTRUNC | MSG_TRUNC), 0, "all of them");
	tap_is(send_fds(fds[0], fds[0], PER_MESSAGE + 1), -EINVAL, "254 do not");
}

/* A receiver without free descriptors loses them, not the message. */
static void receiver_at_limit(const int fds[2])
{
	int next = dup(fds[0]), flags = 0;

	close(next);
	tap_is(send_fds(fds[0], fds[0], 10), 1, "ten descriptors for");
	set_fd_limit((rlim_t)next + 4);
	tap_is(receive_fds(fds[1], &flags), 4,
	       "a receiver with room for four: it gets four");
	tap_ok(flags & MSG_CTRUNC, "and MSG_CTRUNC");
	tap_is(send_fds(fds[0], fds[0], 10), 1, "ten for");
	set_fd_limit((rlim_t)next);
	tap_is(receive_fds(fds[1], &flags), 0,
	       "one without room: the message comes without any");
	tap_ok(flags & MSG_CTRUNC, "but with MSG_CTRUNC");
	set_fd_limit(1024);
}

/* Returns the result of the last message; none of them is received. */
static long many_under_way(int to, rlim_t limit)
{
	rlim_t sent = 0;
	long r = 1;

	set_fd_limit(limit);
	for (; sent < 4 * limit && r == 1; sent += 10)
		r = send_fds(to, to, 10);
	return r;
}

int main(void)
{
	int fds[2];
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	per_message(fds);
	receiver_at_limit(fds);
	pid = child_fork();
	if (pid == 0) {
		become_ordinary();
		_exit(many_under_way(fds[0], 50) == -ETOOMANYREFS ? 0 : 1);
	}
	tap_is(child_status(pid), 0,
	       "an ordinary user may have about RLIMIT_NOFILE under way, then "
	       "ETOOMANYREFS");
	if (has_cap(CAP_SYS_RESOURCE) || has_cap(CAP_SYS_ADMIN))
		tap_is(many_under_way(fds[0], 50), 1, "root may have more");
	return tap_end();
}
