/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock, landlock(7): a second wall behind the empty root and the filter. */
#pragma once

#include <stdint.h>

/*
 * isolation_landlock - from now on open, make and remove no file (Linux 5.13);
 * bind no TCP socket, and connect one to @tcp_port alone, 0: to any (6.7); send
 * no signal to others and speak to no abstract unix socket of theirs (6.12).
 * Sockets that are bound or connected already go on. Needs no_new_privs.
 * Returns the version of Landlock that is in force, or -errno: none is.
 */
int isolation_landlock(uint16_t tcp_port);
