/* SPDX-License-Identifier: Apache-2.0 */
/* Children that end with the program, and the privileges that some lack. */
#pragma once

#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/tap.h"

/* child_fork - fork(2); the child dies with the program. */
static inline pid_t child_fork(void)
{
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TAP_DEADLINE);
	}
	return pid;
}

/* child_status - Returns its exit status, or minus the signal that killed it. */
static inline int child_status(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0));
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Two ends for processes that tell each other single bytes. */
static inline void channel(int fds[2])
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

static inline void say(int fd, char byte)
{
	MUST(send(fd, &byte, 1, MSG_NOSIGNAL));
}

/* hear - waits. Returns the byte, or -1 when the other side is gone. */
static inline int hear(int fd)
{
	unsigned char byte;
	ssize_t n = read(fd, &byte, 1);

	return n == 1 ? byte : -1;
}

/* Does the kernel count this process among the privileged? */
static inline bool has_cap(int cap)
{
	unsigned long long effective = 0;
	unsigned int inside = 0, outside = 0, count = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "CapEff: %llx", &effective);
	if (f)
		fclose(f);
	f = fopen("/proc/self/uid_map", "re");
	if (f && fscanf(f, "%u %u %u", &inside, &outside, &count) != 3)
		count = 0;
	if (f)
		fclose(f);
	/* in a user namespace the capabilities count for little */
	return effective >> cap & 1 && inside == 0 && outside == 0 && count == ~0U;
}

/*
 * become_ordinary - what root does to meet an ordinary user's limits, as a
 * user of whom no other process uses them up. Root of a user namespace is an
 * ordinary one already, and may not know this id.
 */
static inline void become_ordinary(void)
{
	unsigned int id = 2000000 + (unsigned int)getpid();

	if (geteuid() != 0 || setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0)
		return;
	MUST(setresuid(id, id, id));
	/* changed ids clear it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = (int)MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	MUST(ioctl(fd, SIOCSIFFLAGS, &ifr));
	close(fd);
}

/*
 * own_network - a network namespace with nobody else who might take a port.
 * Returns 0, or -errno where neither root nor user namespaces are to be had.
 */
static inline int own_network(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	lo_up();
	return 0;
}

/*
 * fork_init - fork(2) into a new PID namespace, as its process 1; with a new
 * user namespace where that is needed. Skips the program where both are
 * refused.
 */
static inline pid_t fork_init(void)
{
	unsigned long flags = CLONE_NEWPID | SIGCHLD;
	pid_t pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);

	if (pid < 0 && errno == EPERM)
		pid = (pid_t)syscall(SYS_clone, flags | CLONE_NEWUSER, 0, 0, 0, 0);
	if (pid < 0 && (errno == EPERM || errno == ENOSPC))
		tap_skip_all("neither root nor user namespaces");
	MUST(pid);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}
