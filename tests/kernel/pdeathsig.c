/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PR_SET_PDEATHSIG (prctl(2)): SIGKILL for a child whose parent dies, which
 * reaches process 1 of a PID namespace as well, since the parent is in an
 * ancestor of it. execve(2) keeps it, a change of ids does not.
 */
#include <linux/capability.h>

#include "kernel/process.h"

/*
 * A process, by @fork_fn, whose parent is another one that gets killed.
 * Returns what is heard of it after that: -1, nothing, for it is dead.
 */
static int orphan(pid_t (*fork_fn)(void))
{
	int fds[2], heard;
	pid_t parent;

	channel(fds);
	parent = child_fork();
	if (parent == 0) {
		close(fds[0]);
		if (fork_fn() == 0)
			say(fds[1], 'r');
		for (;;)
			pause();
	}
	close(fds[1]);
	heard = hear(fds[0]);
	tap_is(heard, 'r', "a process and its parent");
	MUST(kill(parent, SIGKILL));
	child_status(parent);
	heard = hear(fds[0]);
	close(fds[0]);
	return heard;
}

/* Returns the signal that a new program finds set. */
static int after_exec(void)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		execl("/proc/self/exe", "pdeathsig", "tell", NULL);
		_exit(255);
	}
	return child_status(pid);
}

static int after_setuid(void)
{
	int number = -1;
	pid_t pid = child_fork();

	if (pid == 0) {
		MUST(setresuid(1, 1, 1));
		MUST(prctl(PR_GET_PDEATHSIG, &number));
		_exit(number);
	}
	return child_status(pid);
}

int main(int argc, char **argv)
{
	int number = -1;

	if (argc > 1) {
		MUST(prctl(PR_GET_PDEATHSIG, &number));
		return number;
	}
	if (fork_init() == 0)
		_exit(0);
	tap_is(orphan(child_fork), -1, "the parent is killed: so is it");
	tap_is(orphan(fork_init), -1, "process 1 of a PID namespace is killed as well");
	tap_is(after_exec(), SIGKILL, "execve keeps the signal");
	if (geteuid() == 0 && has_cap(CAP_SETUID))
		tap_is(after_setuid(), 0, "setresuid clears it");
	return tap_end();
}
