/* SPDX-License-Identifier: Apache-2.0 */
/* The client of podman's reload socket, TMPDIR/rp/ID, whoever serves it. */
#pragma once

#include "base/error.h"
#include "control/wait.h"

/* The original opens all its ports again. */
#define PODMAN_RELOAD_SECONDS 60

/*
 * podman_reload - the container is at @child_ip now. All of it takes as long as @wait allows; who
 * listens at @path must be root or this user, as in control_socket_connect(). Returns 0 when the
 * other end says OK, else -errno with @err set in podman's words.
 */
int podman_reload(const char *path, const char *child_ip, const struct control_wait *wait,
		  struct error *err);
