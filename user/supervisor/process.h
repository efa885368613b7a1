/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of ours: this program again (/proc/self/exe) with a hidden
 * command, in new namespaces if asked, watched through a pidfd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct process {
	pid_t pid; /* 0: none */
	int pidfd;
};

struct process_spec {
	const char *command; /* the hidden command, e.g. "@forwarder" */
	const int *fds;	     /* kept; their numbers become arguments */
	size_t n_fds;
	char *const *args;   /* follow after "--"; NULL: none */
	uint64_t namespaces; /* CLONE_NEW* flags of clone(2) */
	bool own_group;	     /* a process group of its own: no ^C for it */
	int log_fd;	     /* becomes its standard error; -1: it has ours */
	int wait_fd;	     /* wait for a byte from here first; -1: do not */
	int wake_fd;	     /* with wait_fd: where the parent writes it */
};

void process_init(struct process *p);

/* process_spawn - Returns 0 or -errno with @err set. */
int process_spawn(struct process *p, const struct process_spec *spec,
		  struct error *err);

/*
 * process_wait - wait at most @timeout_ms (-1: for ever) for its end and reap
 * it; *ret_status is as of waitpid(2). Returns 0, -ETIMEDOUT, or -ESRCH when
 * there is none. Afterwards there is none.
 */
int process_wait(struct process *p, int timeout_ms, int *ret_status);

/* process_end - give it @grace_ms to end by itself, then SIGKILL; reap it. */
void process_end(struct process *p, int grace_ms);

/*
 * process_pending - the signals that it blocks and that were sent to it or its
 * process group, bit N-1 for signal N (proc(5), ShdPnd); 0 when it is gone.
 */
uint64_t process_pending(const struct process *p);

/* process_status_text - "exited with status 3", "was killed by signal 9". */
const char *process_status_text(int status, char *buf, size_t len);

/*
 * process_die_with_parent - for a child's own first lines: it is killed when
 * the parent dies. Not for one that has changed its credentials since.
 */
void process_die_with_parent(void);
