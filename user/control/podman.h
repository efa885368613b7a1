/* SPDX-License-Identifier: Apache-2.0 */
/* The client of podman's reload socket, TMPDIR/rp/ID, whoever serves it. */
#pragma once

#include "base/error.h"

/*
 * podman_reload - the container is at @child_ip now. Returns 0 when the other
 * end says OK, else -errno with @err set in podman's words.
 */
int podman_reload(const char *path, const char *child_ip, struct error *err);
