/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP_NOTSENT_LOWAT: the edge of EPOLLOUT comes when less than half of it is
 * unsent (sk_stream_write_space asks __tcp_stream_memory_free with wake = 1),
 * also when it is set after the write that had to wait. And a value of -1
 * means none, whatever net.ipv4.tcp_notsent_lowat says.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "kernel/socket.h"

#define LOWAT (256 * 1024)

static char block[64 * 1024];

static int unsent(int fd)
{
	int bytes;

	MUST(ioctl(fd, SIOCOUTQNSD, &bytes));
	return bytes;
}

/* What is unsent at the edge, when somebody reads until it comes. */
static int unsent_at_edge(int lowat)
{
	int fds[2], epoll, left;

	tcp_pair_sized(fds, 32 * 1024);
	set_nonblock(fds[0], true);
	set_option(fds[0], SOL_SOCKET, SO_SNDBUF, 2 << 20);
	epoll = watch(fds[0], EPOLLOUT | EPOLLET);
	tap_edge(epoll, EPOLLOUT, "writable at first");
	while (send(fds[0], block, sizeof(block), 0) > 0)
		;
	set_option(fds[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, lowat);
	tap_edge(epoll, 0, "full, and no edge");
	do {
		MUST(recv(fds[1], block, sizeof(block), 0));
		left = unsent(fds[0]);
	} while (!(next_event(epoll, 0) & EPOLLOUT));
	close(epoll);
	close_pair(fds);
	return left;
}

int main(void)
{
	int low = unsent_at_edge(LOWAT), any = unsent_at_edge(-1);

	tap_ok(low < LOWAT / 2 + (int)sizeof(block), "the edge comes below half of it");
	tap_ok(any > LOWAT / 2, "without it, far earlier");
	tap_diag("%d and %d bytes are unsent then", low, any);
	return tap_end();
}
