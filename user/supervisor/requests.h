/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each request of the control socket does. Each is atomic: on failure
 * nothing is changed.
 */
#pragma once

#include "base/error.h"

struct supervisor;

/*
 * requests_start - serve the clients of the control socket from now on: all
 * that was asked for at the start is published. Returns 0 or -errno with @err
 * set.
 */
int requests_start(struct supervisor *s, struct error *err);
