/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the UDP sockets on both sides, set where they are made. */
#pragma once

#include <stdbool.h>

/*
 * udp_set_buffers - some 20 ms of small datagrams at full speed, which is how
 * long a busy machine may leave us waiting for a CPU. Past net.core.rmem_max
 * where that is permitted (socket(7), SO_RCVBUFFORCE).
 */
void udp_set_buffers(int fd);

/*
 * udp_tell_local - with each datagram comes the address that it was sent to;
 * @v4, @v6: the families that the socket receives. Returns 0 or -errno.
 */
int udp_tell_local(int fd, bool v4, bool v6);

/*
 * udp_take_bursts - a burst of equal datagrams that the kernel has as one piece
 * is read as one piece (udp(7), UDP_GRO). Kernels without it give single ones.
 */
void udp_take_bursts(int fd);
