/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets as the options ask. Failures end the program. */
#pragma once

#include "options.h"

/* A datagram of IPv4 at most: RFC 768 and RFC 791. */
#define UDP_SIZE_MAX 65507

/* udp_bind - a blocking socket on port @port of the options' address. */
int udp_bind(const struct options *o, uint16_t port);

/*
 * udp_listen - the same on the first port, told to --ready-fd, and as
 * "port: N" on stdout when the options said 0.
 */
int udp_listen(const struct options *o);

/* udp_connected - a blocking socket, number @index of this client. */
int udp_connected(const struct options *o, unsigned int index);
