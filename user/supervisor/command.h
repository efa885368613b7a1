/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COMMAND of `run`: started by the init of its PID namespace with the
 * signals that the caller had, and reaped here like every orphan inside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/loop.h"

struct command {
	struct loop_source sigchld;	/* a signalfd */
	struct loop_source group_signals; /* the same; -1: COMMAND has no group of its own */
	char **argv;
	pid_t pid;
	struct rlimit nofile; /* the caller's RLIMIT_NOFILE */
	/* @status: COMMAND's exit status, 128 + N after signal N */
	void (*ended)(struct command *c, int status);
	void (*typed)(struct command *c, int signal); /* see command_own_group() */
};

/* command_init - call as PID 1, with the limits that COMMAND gets. Returns 0 or -errno. */
int command_init(struct command *c, struct loop *loop, char **argv,
		 void (*ended)(struct command *c, int status));

/*
 * command_own_group - make this process the leader of a group that COMMAND will be in, and that
 * has the terminal at stdin. From now on c->typed is called for each signal that the terminal,
 * or one of them, sends to the group. Returns 0 or -errno; then all is as it was.
 */
int command_own_group(struct command *c, struct loop *loop);

/*
 * command_start - @blocked and @ignored are sets of signals, bit N-1 for
 * signal N: what COMMAND gets. It stays in the process group and session of
 * this process, so that the terminal's signals and job control reach it.
 * Returns 0, or -errno with *ret_status 126 or 127 when it cannot be executed.
 */
int command_start(struct command *c, uint64_t blocked, uint64_t ignored,
		  int *ret_status, struct error *err);

/*
 * command_signal - kill(2) it; harmless when it is gone. A signal that went
 * to our whole process group (@group) it has already, if it is still there.
 */
void command_signal(struct command *c, int signal, bool group);

/*
 * command_save_signals - for the caller of all this: what is blocked and
 * ignored now, then block everything and give SIGCHLD its default.
 */
void command_save_signals(uint64_t *ret_blocked, uint64_t *ret_ignored);
