/* SPDX-License-Identifier: Apache-2.0 */
/* The socket options of both legs of a forwarded connection. */
#pragma once

/*
 * tcp_set_options - TCP_NODELAY and keepalive after 15 s, every 15 s, as
 * rootlessport has them; accepted sockets inherit them from the listener
 * (tcp(7)). Returns 0 or -errno.
 */
int tcp_set_options(int fd);
