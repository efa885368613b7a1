/* SPDX-License-Identifier: Apache-2.0 */
/* From port specs to listeners in the forwarder. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "rule/spec.h"
#include "supervisor/clients.h"
#include "supervisor/slirp4netns/slirp4netns.h"

/*
 * publish_ports - open every host port of @specs and hand it to the
 * forwarder as the rules number @rule and following; it does not accept on
 * them before it is started, or told by FORWARDER_OPEN. @ret_ports gets
 * the first host port of each of them, as it was given or chosen.
 * Returns 0, or -errno with @err set: what was opened goes with the forwarder.
 */
int publish_ports(struct client *forwarder, uint32_t rule, const struct port_spec *specs,
		  size_t n, uint16_t *ret_ports, struct error *err);

/*
 * publish_hostfwd - the same through slirp4netns' own forwarding (IPv4 only,
 * tcp and udp), for port_handler=slirp4netns, once its API socket is open.
 */
int publish_hostfwd(struct slirp4netns *slirp, const struct port_spec *specs,
		    size_t n, uint16_t *ret_ports, struct error *err);

/* publish_tell - those that were chosen, on stderr: "80/tcp -> 0.0.0.0:38713". */
void publish_tell(const struct port_spec *specs, size_t n, const uint16_t *ports);
