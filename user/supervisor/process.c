/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/process.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

void process_init(struct process *p)
{
	*p = (struct process){ .pidfd = -1 };
}

void process_die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

#define NAME_MAX_COMM 16 /* prctl(2), PR_GET_NAME */

/*
 * "NAME @command FD... [-- ARG...]", with the name of this process, portshunt or a drop-in's,
 * in @name; the numbers live in @numbers.
 */
static char **make_argv(const struct process_spec *spec, char *name, char (*numbers)[12])
{
	size_t n_args = 0, n = 0;
	char **argv;

	while (spec->args && spec->args[n_args])
		n_args++;
	argv = calloc(spec->n_fds + n_args + 4, sizeof(*argv));
	if (!argv)
		return NULL;
	prctl(PR_GET_NAME, name);
	argv[n++] = name;
	argv[n++] = (char *)spec->command;
	for (size_t i = 0; i < spec->n_fds; i++) {
		snprintf(numbers[i], sizeof(*numbers), "%d", spec->fds[i]);
		argv[n++] = numbers[i];
	}
	if (n_args)
		argv[n++] = (char *)"--";
	for (size_t i = 0; i < n_args; i++)
		argv[n++] = spec->args[i];
	return argv;
}

static void __attribute__((noreturn)) run_child(const struct process_spec *spec,
						char **argv)
{
	char byte;

	process_die_with_parent();
	if (spec->own_group)
		setpgid(0, 0);
	if (spec->wait_fd >= 0) {
		/* end of file: the parent gave up, or died before that first line */
		close(spec->wake_fd);
		if (fd_read_all(spec->wait_fd, &byte, 1) != 1)
			_exit(125);
	}
	for (size_t i = 0; i < spec->n_fds; i++)
		fd_set_cloexec(spec->fds[i], 0);
	if (spec->log_fd >= 0)
		dup2(spec->log_fd, STDERR_FILENO);
	execve("/proc/self/exe", argv, environ);
	dprintf(STDERR_FILENO, "portshunt: cannot execute /proc/self/exe: %s\n",
		errno_text(errno));
	_exit(125);
}

int process_spawn(struct process *p, const struct process_spec *spec,
		  struct error *err)
{
	char numbers[8][12], name[NAME_MAX_COMM] = "";
	_cleanup_free_ char **argv = make_argv(spec, name, numbers);
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD | spec->namespaces,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (!argv)
		return error_errno(err, -ENOMEM, "cannot start %s", spec->command);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return error_errno(err, -errno, spec->namespaces ?
				   "cannot make namespaces" : "cannot start a process");
	if (pid == 0)
		run_child(spec, argv);
	*p = (struct process){ .pid = (pid_t)pid, .pidfd = pidfd };
	return 0;
}

int process_wait(struct process *p, int timeout_ms, int *ret_status)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };
	int r, status = 0;

	if (p->pid <= 0)
		return -ESRCH;
	do {
		r = poll(&pfd, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
	p->pidfd = fd_close(p->pidfd);
	if (ret_status)
		*ret_status = status;
	return 0;
}

void process_end(struct process *p, int grace_ms)
{
	if (process_wait(p, grace_ms, NULL) != -ETIMEDOUT)
		return;
	kill(p->pid, SIGKILL);
	process_wait(p, -1, NULL);
}

uint64_t process_pending(const struct process *p)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[64], line[256];
	unsigned long long set;

	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	f = p->pid > 0 ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "ShdPnd: %llx", &set) == 1)
			return set;
	return 0;
}

const char *process_status_text(int status, char *buf, size_t len)
{
	if (WIFSIGNALED(status))
		snprintf(buf, len, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(buf, len, "exited with status %d", WEXITSTATUS(status));
	return buf;
}
