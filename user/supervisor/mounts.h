/* SPDX-License-Identifier: Apache-2.0 */
/* The mount namespace of `run`: a /proc of its own, and its resolv.conf. */
#pragma once

#include "base/addr.h"
#include "base/error.h"

/*
 * mounts_setup - in a new mount namespace: keep changes from the host, put a
 * resolv.conf that names @nameserver (AF_UNSPEC: leave it) over the target of
 * /etc/resolv.conf, and mount the /proc of the caller's PID namespace.
 * No file of the host is written. Returns 0 or -errno with @err set.
 */
int mounts_setup(const struct addr *nameserver, struct error *err);
