/* SPDX-License-Identifier: Apache-2.0 */
/* The mappings of podman's configuration as listeners in the forwarder. */
#pragma once

#include "base/addr.h"
#include "base/error.h"
#include "supervisor/clients.h"
#include "supervisor/rootlessport/config.h"

/*
 * rootlessport_child_ip - ChildIP, or what a reload names: "" is 127.0.0.1.
 * Returns 0, or -EINVAL with @err set; one of the two is AF_UNSPEC.
 */
int rootlessport_child_ip(const char *text, struct addr *ret4, struct addr *ret6,
			  struct error *err);

/*
 * rootlessport_open - open all ports, in the order of the mappings, so that of
 * several mistakes the one is told that the original would tell. Returns 0, or
 * -errno with @err set: what was opened goes with the forwarder.
 */
int rootlessport_open(struct client *forwarder, const struct rootlessport_config *config,
		      struct error *err);
