/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the host's side of published ports. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "rule/spec.h"

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

/*
 * listen_spec - the same for @spec, whose interface and freebind count, at *port. With @err, the
 * words say more: which socket has the port, where one has, and what to do.
 */
int listen_spec(bool udp, const struct port_spec *spec, uint16_t *port, struct error *err);

/*
 * listen_socket - the same at @at and @port alone, with the failure left to the
 * caller's words: *ret_call is the name of the system call that failed.
 */
int listen_socket(bool udp, const struct addr *at, uint16_t port, int v6only,
		  const char **ret_call);

/*
 * listen_hint - what to add to the error line where a socket of @family could not be made for
 * @r (-errno): words, or "".
 */
const char *listen_hint(sa_family_t family, int r);

/*
 * listen_fault - in which respect @fd is not what listen_spec() would have returned in this
 * network namespace for @spec and @port. Returns NULL for none, or words
 * that follow "it". Changes nothing.
 */
const char *listen_fault(int fd, bool udp, const struct port_spec *spec, uint16_t port);

/*
 * listen_adopt - @fd was opened and bound by somebody else: check that it is a
 * socket of that kind, and make it like those above. Returns 0, or -errno:
 * -EPROTOTYPE for another kind.
 */
int listen_adopt(bool udp, int fd);
