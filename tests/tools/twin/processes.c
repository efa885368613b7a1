/* SPDX-License-Identifier: Apache-2.0 */
/* The connection changes hands: fork(2), exec(2), SCM_RIGHTS, dup(2), and a sudden death. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "end.h"

#define ROUNDS 50

/* Asks, and gets answers, whoever gives them. */
static void asks(struct end *e)
{
	char text[1000] = { 0 };
	int i;

	for (i = 0; i < 2 * ROUNDS; i++)
		if (put(e, text, sizeof(text)) != sizeof(text) ||
		    get_full(e, text, sizeof(text)) != sizeof(text))
			break;
	say(e, "%d answers", i);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static void answers(struct end *e, int rounds)
{
	char text[1000];
	int i;

	for (i = 0; i < rounds; i++)
		if (get_full(e, text, sizeof(text)) != sizeof(text) ||
		    put(e, text, sizeof(text)) != sizeof(text))
			break;
	say(e, "answered %d", i);
}

static void await(struct end *e, pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	say(e, "child: %x", status);
}

static pid_t forks(struct end *e)
{
	return must(e, "fork", fork());
}

/* A child answers for a while, then the parent goes on. */
static void lends(struct end *e)
{
	pid_t pid = forks(e);

	if (!pid) {
		answers(e, ROUNDS);
		_exit(0);
	}
	await(e, pid);
	answers(e, ROUNDS);
	ended(e);
}

/* The parent lets go of it, the child answers to the end: a forking server. */
static void hands_over(struct end *e)
{
	pid_t pid = forks(e);

	if (!pid) {
		answers(e, 2 * ROUNDS);
		ended(e);
		_exit(0);
	}
	say(e, "close: %s", res(close(e->fd)));
	await(e, pid);
}

/* A program that knows of no socket, and blocks: inetd's way. */
static void runs_cat(struct end *e)
{
	pid_t pid = forks(e);

	if (!pid) {
		dup2(e->fd, 0);
		dup2(e->fd, 1);
		execlp("cat", "cat", NULL);
		_exit(127);
	}
	close(e->fd);
	await(e, pid);
}

static int receive_fd(int from)
{
	char c, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void pass_fd(struct end *e, int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { "", 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	must(e, "sendmsg", (int)sendmsg(to, &message, 0));
}

/* In the message, and nowhere else, for a moment. */
static void passes(struct end *e)
{
	int way[2];
	pid_t pid;

	must(e, "socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, way));
	answers(e, ROUNDS);
	pid = forks(e);
	if (!pid) {
		close(e->fd);
		e->fd = receive_fd(way[1]);
		answers(e, ROUNDS);
		ended(e);
		_exit(0);
	}
	pass_fd(e, way[0], e->fd);
	close(e->fd);
	await(e, pid);
}

static void duplicates(struct end *e)
{
	int other = fcntl(e->fd, F_DUPFD_CLOEXEC, 100);

	answers(e, ROUNDS);
	close(e->fd);
	e->fd = other;
	answers(e, ROUNDS);
	ended(e);
}

/* Whoever has the socket is killed: all that was written arrives, then the end. */
static void is_killed(struct end *e)
{
	pid_t pid = forks(e);

	if (!pid) {
		answers(e, ROUNDS);
		kill(getpid(), SIGKILL);
	}
	close(e->fd);
	await(e, pid);
}

static void asks_until_end(struct end *e)
{
	char text[1000] = { 0 };

	for (int i = 0; i < ROUNDS; i++)
		if (put(e, text, sizeof(text)) != sizeof(text) ||
		    get_full(e, text, sizeof(text)) != sizeof(text))
			break;
	ended(e);
	shutdown(e->fd, SHUT_WR);
}

/* SIGIO, when there is something. */
static void by_signal(struct end *e)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(e, "F_SETOWN", fcntl(e->fd, F_SETOWN, getpid()));
	must(e, "F_SETFL", fcntl(e->fd, F_SETFL, fcntl(e->fd, F_GETFL) | O_ASYNC));
	tell(e);
	sigwait(&set, &number);
	say(e, "signal: %d", number);
	answers(e, 2 * ROUNDS);
	ended(e);
}

static void asks_when_told(struct end *e)
{
	heed(e);
	asks(e);
}

const struct kase process_cases[] = {
	{ "fork, both use it", IN_ALL, lends, asks, NULL },
	{ "fork, the child has it", IN_ALL | ALL_FAMILIES, hands_over, asks, NULL },
	{ "exec", IN_BLOCKING | IN_EVICTED, runs_cat, asks, NULL },
	{ "passed to another process", IN_ALL, passes, asks, NULL },
	{ "dup", IN_ALL, duplicates, asks, NULL },
	{ "killed", IN_ALL, is_killed, asks_until_end, NULL },
	{ "SIGIO", IN_ALL, by_signal, asks_when_told, NULL },
	{ 0 },
};
