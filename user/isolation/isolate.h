/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process of ours gives up before it reads the first byte of somebody
 * else: files, ids, capabilities, new privileges, and system calls. What each
 * of them keeps is in portshunt-security(7), PROCESSES, and a test compares.
 */
#pragma once

#include <stdint.h>

#include "isolation/filter.h"

struct isolation {
	enum filter_process process;
	const char *name;	 /* in log lines; static */
	uint64_t capabilities;	 /* kept, bits by number */
	const int *bpf_commands; /* kept, ended by -1; NULL: none */
};

/*
 * isolation_enter - after isolation_hide(), all files open, in one thread. In
 * this order, since each step needs what the next one takes: namespaces and an
 * empty root (root.h), ids and capabilities (identity.h), no_new_privs,
 * Landlock (landlock.h), the filter (filter.h). Where the kernel refuses an
 * empty root or other ids, or has no Landlock, the process keeps what it has of
 * them. A fork of a process that was here before (a walker of the netns
 * child's) inherits the first step and Landlock. Returns 0, or -errno when one of the other
 * steps failed.
 */
int isolation_enter(const struct isolation *isolation);
