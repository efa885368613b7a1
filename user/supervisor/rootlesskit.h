/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rootless Docker runs under: RootlessKit (github.com/rootless-containers/rootlesskit),
 * whose port driver opens the ports of the real host. Its children find its API by
 * ROOTLESSKIT_STATE_DIR, see its docs/api.md.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * rootlesskit_wants_request - ask the API below @state_dir whether a port of the host is
 * opened on request only: true for the port drivers builtin, slirp4netns and gvisor-tap-vsock;
 * false where there is none, or "implicit", which opens what is listened on inside.
 * Blocks for up to 10 seconds. Returns 0, or -errno with @err set.
 */
int rootlesskit_wants_request(const char *state_dir, bool *ret, struct error *err);
