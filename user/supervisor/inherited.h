/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `run` was started with and only hands on: COMMAND's descriptors and its
 * terminal. A pipe that COMMAND closes is to be closed, not kept open by us;
 * and who called us is to have the terminal again when COMMAND is gone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct inherited {
	int *fds;
	size_t n;
	int tty_fd; /* the controlling terminal when we are in the foreground, or -1 */
};

/*
 * inherited_init - before anything else is opened: remember every descriptor
 * that is open, but stderr and those in @keep. Returns 0 or -errno.
 */
int inherited_init(struct inherited *in, const int *keep, size_t n_keep);

/*
 * inherited_close - close what is remembered, once COMMAND's parent has it.
 * stdin and stdout become /dev/null.
 */
void inherited_close(struct inherited *in);

/*
 * inherited_done - give the terminal back if the process group that has it is
 * gone: an interactive shell takes it, and from inside a PID namespace cannot
 * return it.
 */
void inherited_done(struct inherited *in);
