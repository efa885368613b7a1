/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* What the child writes into the report pipe when it cannot go on. */
struct report {
	const char *step; /* a literal: the same address in both processes */
	int error;
};

/*
 * Everything from here to child() runs between fork and exec: only
 * async-signal-safe calls, signal-safety(7).
 */
static void __attribute__((noreturn)) give_up(int report_fd, const char *step)
{
	struct report report = { .step = step, .error = errno };

	/* a pipe takes this whole or not at all; without it, EOF says exec */
	while (write(report_fd, &report, sizeof(report)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void default_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* handlers end with exec, ignored signals would not */
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * After setns(2) every capability in that namespace is ours, but exec keeps
 * them for its root alone. The raw call: glibc's would signal other threads.
 */
static void join_userns(int fd, int report_fd)
{
	if (setns(fd, CLONE_NEWUSER) < 0)
		give_up(report_fd, "join the user namespace");
	/* a namespace without a group 0 is no hindrance */
	if (getegid() != 0)
		syscall(SYS_setresgid, 0, 0, 0);
	if ((getuid() != 0 || geteuid() != 0) &&
	    syscall(SYS_setresuid, 0, 0, 0) < 0)
		give_up(report_fd, "become root in the user namespace");
}

/*
 * slirp4netns' sandbox makes only "/" private and mounts on /tmp: where /tmp
 * is a shared mount that would cover the host's. As a slave it cannot; and
 * unlike a private one it still lets go of what the host unmounts.
 */
static void unshare_mounts(int report_fd)
{
	if (unshare(CLONE_NEWNS) < 0)
		give_up(report_fd, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		give_up(report_fd, "detach the mounts from the host's");
}

/* Put fds[i] at i and close all the rest. Returns where the report pipe is. */
static int place_fds(const struct spawn *s, int report_fd)
{
	int high[SPAWN_FDS_MAX];
	int report = fcntl(report_fd, F_DUPFD_CLOEXEC, SPAWN_FDS_MAX + 1);

	if (report < 0)
		give_up(report_fd, "duplicate descriptors");
	/* out of the way first, since sources and targets may overlap */
	for (unsigned i = 0; i < s->n_fds; i++) {
		high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, SPAWN_FDS_MAX + 1);
		if (high[i] < 0)
			give_up(report, "duplicate descriptors");
	}
	for (unsigned i = 0; i < s->n_fds; i++)
		if (dup2(high[i], (int)i) < 0)
			give_up(report, "duplicate descriptors");
	if (dup3(report, (int)s->n_fds, O_CLOEXEC) < 0)
		give_up(report, "duplicate descriptors");
	report = (int)s->n_fds;
	if (close_range((unsigned)report + 1, UINT_MAX, 0) < 0)
		give_up(report, "close descriptors");
	return report;
}

static void __attribute__((noreturn))
child(const struct spawn *s, pid_t parent, int report_fd)
{
	if (setpgid(0, 0) < 0)
		give_up(report_fd, "make a process group");
	default_signals();
	if (s->userns_fd >= 0)
		join_userns(s->userns_fd, report_fd);
	if (s->new_mntns)
		unshare_mounts(report_fd);
	report_fd = place_fds(s, report_fd);
	/* only now: the kernel forgets it when credentials change, prctl(2) */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		give_up(report_fd, "ask for a signal at the parent's death");
	if (getppid() != parent) {
		errno = ESRCH;
		give_up(report_fd, "find the parent alive");
	}
	execve(s->path, s->argv, environ);
	give_up(report_fd, NULL);
}

/* A namespace cannot be joined twice: setns(2) answers EINVAL. */
static bool is_own_userns(int fd)
{
	struct stat there, here;

	return fstat(fd, &there) == 0 && stat("/proc/self/ns/user", &here) == 0 &&
	       there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

static void discard(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static pid_t fork_child(const struct spawn *s, int report_fd)
{
	sigset_t all, before;
	pid_t parent = getpid();
	pid_t pid;
	int error;

	/* the caller's handlers must not run in the child */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		child(s, parent, report_fd);
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

int spawn(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd,
	  struct error *err)
{
	struct spawn copy = *s;
	_cleanup_close_ int report_r = -1, report_w = -1, pidfd = -1;
	struct report report;
	int fds[2];
	pid_t pid;
	int r;

	if (s->userns_fd >= 0 && is_own_userns(s->userns_fd))
		copy.userns_fd = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "failed to open pipe");
	report_r = fds[0];
	report_w = fds[1];
	pid = fork_child(&copy, report_w);
	if (pid < 0)
		return error_errno(err, -errno, "fork/exec %s", s->path);
	report_w = fd_close(report_w);

	if (fd_read_all(report_r, &report, sizeof(report)) == sizeof(report)) {
		discard(pid);
		if (report.step)
			return error_errno(err, -report.error, "%s", report.step);
		return error_errno(err, -report.error, "fork/exec %s", s->path);
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		r = -errno;
		discard(pid);
		return error_errno(err, r, "pidfd_open");
	}
	*ret_pid = pid;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}
