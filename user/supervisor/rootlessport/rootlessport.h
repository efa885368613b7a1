/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podman's helper of this name: the host's side of a container's ports, from
 * podman's configuration until the container ends. A supervisor of its own,
 * with the same forwarder and netns child as attach has.
 */
#pragma once

#include "base/error.h"
#include "supervisor/config.h"
#include "supervisor/rootlessport/config.h"

/*
 * rootlessport_main - with the datapath, timeouts and limits of @options, until ExitFD is
 * at its end, or SIGTERM. stdout and stderr are /dev/null from when it is ready. Returns 0, or -errno with @err set.
 */
int rootlessport_main(const struct rootlessport_config *config, const struct config *options,
		      struct error *err);
