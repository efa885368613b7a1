/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock, landlock(7): a second wall behind the empty root and the filter. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * isolation_landlock - from now on open, make and remove no file (Linux 5.13);
 * bind no TCP socket (6.7); send no signal to others and speak to no abstract
 * unix socket of theirs (6.12). Sockets that are bound already go on. Needs
 * no_new_privs. Returns the version of Landlock that is in force, or -errno:
 * none is.
 */
int isolation_landlock(void);

/*
 * isolation_landlock_connect - from now on connect TCP sockets to the @n @ports
 * alone, of any host (Linux 6.7). It cannot be widened any more: later calls
 * narrow it. Connections that are there go on. Needs no_new_privs.
 * Returns 0, or -errno with nothing changed: -EOPNOTSUPP when the kernel cannot.
 */
int isolation_landlock_connect(const uint16_t *ports, size_t n);
