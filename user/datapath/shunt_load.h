/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shunt's maps and programs, loaded. There are two builds of the programs:
 * Linux 7.3 took from tc programs what the first one does (bpf/shunt_iter.bpf.c).
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct shunt_objects {
	int targets, senders, flows, target_of; /* maps */
	int capture, has_left;			/* programs */
	/*
	 * links of iterators; admit -1: the capture takes in by itself, rings -1:
	 * this kernel does not tell who sends over io_uring
	 */
	int walk, admit, rings;
	void *skeleton;
	void (*destroy)(void *skeleton);
	void *rings_skeleton;
};

/*
 * shunt_load - load the build that this kernel takes, and attach it. Returns 0
 * or -errno with @err set; the objects are the caller's, for shunt_unload().
 */
int shunt_load(struct shunt_objects *ret, struct error *err);

/* shunt_unload - harmless when nothing is loaded. */
void shunt_unload(struct shunt_objects *o);
