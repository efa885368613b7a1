/* SPDX-License-Identifier: Apache-2.0 */
/* A pseudo-terminal, the session on it, and the signals that come from it. */
#pragma once

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "kernel/process.h"

/* terminal_new - Returns the master; *ret_slave is to be a session's terminal. */
static inline int terminal_new(int *ret_slave)
{
	int master;

	MUST(openpty(&master, ret_slave, NULL, NULL, NULL));
	MUST(fcntl(master, F_SETFD, FD_CLOEXEC));
	return master;
}

/* terminal_lead - a new session; the caller's group is the foreground. */
static inline void terminal_lead(int slave)
{
	MUST(setsid());
	MUST(ioctl(slave, TIOCSCTTY, 0));
}

static inline void terminal_type(int master, char key)
{
	MUST(write(master, &key, 1));
}

#define CTRL_C '\003'
#define CTRL_BACKSLASH '\034'
#define CTRL_Z '\032'

static inline void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	MUST(sigprocmask(SIG_SETMASK, &all, NULL));
}

static inline bool is_pending(int number)
{
	sigset_t set;

	MUST(sigpending(&set));
	return sigismember(&set, number) == 1;
}
