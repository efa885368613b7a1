/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the processes that the supervisor looks after. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct config;
struct supervisor;

/* uses_hostfwd - whether slirp4netns forwards the ports instead of us. */
bool uses_hostfwd(const struct config *c);

/*
 * helpers_isolate - the netns child of attach gives up what its start needed.
 * helpers_start - the forwarder, with every port of the command line bound, and
 * the netns child; and the socket between them, which is theirs alone.
 * helpers_start_slirp4netns - and wait until it is ready.
 * Return 0 or -errno with @err set; -ECANCELED as in supervisor.h.
 */
int helpers_start(struct supervisor *s, struct error *err);
int helpers_isolate(struct supervisor *s, struct error *err);
int helpers_start_slirp4netns(struct supervisor *s, struct error *err);

/* helpers_remove_tmpdir - the directory that was made for want of another, once it is empty. */
void helpers_remove_tmpdir(struct supervisor *s);
