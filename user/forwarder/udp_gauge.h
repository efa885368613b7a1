/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How full is the socket that a datagram would go to? A server that gets more
 * than it can read loses the rest, on any network; but what is carried there
 * only to be lost costs the server the CPU that it would have read with. So
 * who sends full speed looks first, and waits a moment.
 *
 * sock_diag(7) tells, without privileges, for the namespace that its socket
 * was made in.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct udp_gauge {
	uint32_t used, size; /* of its receive buffer, bytes */
	bool is_shared;	     /* the socket takes datagrams of any sender */
};

/* udp_gauge_open - a socket for udp_gauge_read(), or -errno. */
int udp_gauge_open(void);

/*
 * udp_gauge_read - of the socket that a datagram from @from to @to, both of one
 * family, would go to. Returns 0 or -errno: -ENOENT when there is none.
 */
int udp_gauge_read(int fd, const struct sockaddr_storage *from,
		   const struct sockaddr_storage *to, struct udp_gauge *ret);
