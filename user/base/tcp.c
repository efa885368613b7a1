/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define KEEPALIVE_SECONDS 15
#define BOUND_BYTES (1 << 20)
#define SHORT_BYTES (128 << 10)
#define LOW_BYTES (256 << 10)

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int tcp_set_options(int fd)
{
	int r;

	r = set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (r >= 0)
		r = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (r >= 0)
		r = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS);
	if (r >= 0)
		r = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_SECONDS);
	if (r >= 0)
		r = set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	return r;
}

void tcp_no_pacing(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
}

void tcp_short_queue(int fd)
{
	set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, SHORT_BYTES);
}

void tcp_acknowledge(int fd)
{
	set(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

void tcp_low_water(int fd, bool on)
{
	set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, on ? 2 * LOW_BYTES : -1);
}

void tcp_flush(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void tcp_bound_buffers(int fd)
{
	set(fd, SOL_SOCKET, SO_SNDBUF, BOUND_BYTES);
	set(fd, SOL_SOCKET, SO_RCVBUF, BOUND_BYTES);
}
