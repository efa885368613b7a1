/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define SIGNALS 64

void command_save_signals(uint64_t *ret_blocked, uint64_t *ret_ignored)
{
	struct sigaction action, dfl = { .sa_handler = SIG_DFL };
	sigset_t all, was;

	*ret_blocked = 0;
	*ret_ignored = 0;
	sigfillset(&all);
	/* Ctrl-Z stops the whole process group, the supervisor with it */
	sigdelset(&all, SIGTSTP);
	sigdelset(&all, SIGTTIN);
	sigdelset(&all, SIGTTOU);
	sigdelset(&all, SIGCONT);
	sigprocmask(SIG_SETMASK, &all, &was);
	for (int n = 1; n <= SIGNALS; n++) {
		if (sigismember(&was, n) == 1)
			*ret_blocked |= UINT64_C(1) << (n - 1);
		if (sigaction(n, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			*ret_ignored |= UINT64_C(1) << (n - 1);
	}
	/* ignored, it would make waitpid(2) fail */
	sigaction(SIGCHLD, &dfl, NULL);
}

static void restore_signals(uint64_t blocked, uint64_t ignored)
{
	struct sigaction action = { 0 };
	sigset_t mask;

	sigemptyset(&mask);
	for (int n = 1; n <= SIGNALS; n++) {
		action.sa_handler = ignored >> (n - 1) & 1 ? SIG_IGN : SIG_DFL;
		sigaction(n, &action, NULL);
		if (blocked >> (n - 1) & 1)
			sigaddset(&mask, n);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void on_sigchld(struct loop_source *source, uint32_t events)
{
	struct command *c = (struct command *)source;
	struct signalfd_siginfo info;
	int status, ended = -1;
	pid_t pid;

	while (read(source->fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == c->pid)
			ended = exit_status(status);
	if (ended >= 0) {
		c->pid = 0;
		c->ended(c, ended);
	}
}

int command_init(struct command *c, struct loop *loop, char **argv,
		 void (*ended)(struct command *c, int status))
{
	sigset_t set;
	int fd;

	c->argv = argv;
	c->ended = ended;
	c->group_signals.fd = -1;
	getrlimit(RLIMIT_NOFILE, &c->nofile);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return loop_add(loop, &c->sigchld, fd, EPOLLIN, on_sigchld);
}

static void on_group_signal(struct loop_source *source, uint32_t events)
{
	struct command *c =
		(void *)((char *)source - offsetof(struct command, group_signals));
	struct signalfd_siginfo info;

	while (read(source->fd, &info, sizeof(info)) == sizeof(info))
		c->typed(c, (int)info.ssi_signo);
}

int command_own_group(struct command *c, struct loop *loop)
{
	static const int typed[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU };
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(typed) / sizeof(*typed); i++)
		sigaddset(&set, typed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = loop_add(loop, &c->group_signals, fd, EPOLLIN, on_group_signal);
	if (r < 0 || setpgid(0, 0) < 0) {
		close(fd);
		c->group_signals.fd = -1;
		return r < 0 ? r : -errno;
	}
	tcsetpgrp(STDIN_FILENO, getpgrp());
	return 0;
}

/*
 * execvp(3) says EACCES also when a directory of PATH is closed to us; a shell
 * then says that the command is not there.
 */
static bool is_in_path(const char *name)
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];
	struct stat st;

	while (dirs && *dirs) {
		int len = (int)strcspn(dirs, ":");

		snprintf(path, sizeof(path), "%.*s/%s", len, dirs, name);
		if (stat(path, &st) == 0)
			return true;
		dirs += len;
		dirs += *dirs == ':';
	}
	return false;
}

static int execute(char **argv)
{
	execvp(argv[0], argv);
	if (errno == EACCES && !strchr(argv[0], '/') && !is_in_path(argv[0]))
		errno = ENOENT;
	return errno;
}

/* A ^Z that comes now would stop it before it says whether it was executed, and us with it. */
static void wait_for_report(struct command *c, int report, pid_t pid)
{
	struct pollfd fds[] = { { .fd = report, .events = POLLIN },
				{ .fd = c->group_signals.fd, .events = POLLIN } };

	while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
		on_group_signal(&c->group_signals, EPOLLIN);
		kill(pid, SIGCONT);
	}
}

int command_start(struct command *c, uint64_t blocked, uint64_t ignored,
		  int *ret_status, struct error *err)
{
	_cleanup_close_ int report = -1;
	int fds[2], error = 0;
	pid_t pid;

	*ret_status = 125;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "cannot start %s", c->argv[0]);
	report = fds[0];
	pid = fork();
	if (pid == 0) {
		restore_signals(blocked, ignored);
		setrlimit(RLIMIT_NOFILE, &c->nofile);
		error = execute(c->argv);
		fd_write_all(fds[1], &error, sizeof(error));
		_exit(127);
	}
	fd_close(fds[1]);
	if (pid < 0)
		return error_errno(err, -errno, "cannot start %s", c->argv[0]);
	wait_for_report(c, report, pid);
	if (fd_read_all(report, &error, sizeof(error)) == sizeof(error)) {
		waitpid(pid, NULL, 0);
		*ret_status = error == ENOENT || error == ENOTDIR ? 127 : 126;
		return error_errno(err, -error, "cannot execute %s", c->argv[0]);
	}
	c->pid = pid;
	return 0;
}

void command_signal(struct command *c, int signal, bool group)
{
	struct timespec no_wait = { 0 };
	sigset_t set;

	/* our own copy, blocked, would make the next one look like a group's */
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigtimedwait(&set, NULL, &no_wait);
	if (c->pid <= 0 || (group && getpgid(c->pid) == getpgid(0)))
		return;
	/* what stopped the group stopped all of it */
	kill(signal == SIGCONT && c->group_signals.fd >= 0 ? 0 : c->pid, signal);
}
