/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the host's side of published ports. */
#pragma once

#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

/*
 * listen_tcp - a TCP socket listening on @host (AF_UNSPEC: every address of
 * both families, one dual-stack socket; an IPv6 address is that family only)
 * and *port, which is filled in when it was 0.
 * Returns a non-blocking descriptor that the caller owns, or -errno with @err
 * in the words of Go's net package, which podman's and docker's tests know.
 */
int listen_tcp(const struct addr *host, uint16_t *port, struct error *err);

/* listen_udp - the same for UDP. */
int listen_udp(const struct addr *host, uint16_t *port, struct error *err);
