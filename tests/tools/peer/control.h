/* SPDX-License-Identifier: Apache-2.0 */
/* --control: commands come on stdin, a line each, and its end is the end. */
#pragma once

#include "drive.h"

struct control {
	struct task task;
	char buf[256];
	size_t len;
	void (*line)(const char *line, void *arg);
	void (*eof)(void *arg);
	void *arg;
};

/* control_add - from now on @c->line and @c->eof are called. */
void control_add(struct driver *d, struct control *c);
