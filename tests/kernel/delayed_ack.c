/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read is acknowledged up to 40 ms later, when only one segment came
 * and the reader is in pingpong mode: a sender whose queue that segment fills
 * stands still. Setting TCP_QUICKACK acknowledges it at once (tcp(7);
 * __tcp_sock_set_quickack).
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "kernel/socket.h"

static char segment[32 * 1024];

static int unacknowledged(int fd)
{
	int bytes;

	MUST(ioctl(fd, SIOCOUTQ, &bytes));
	return bytes;
}

static bool is_delayed(int fds[2])
{
	unsigned long before = tcp_info(fds[1]).tcpi_bytes_received;

	set_option(fds[1], IPPROTO_TCP, TCP_QUICKACK, 0);
	MUST(send(fds[0], segment, sizeof(segment), 0));
	wait_received(fds[1], before + sizeof(segment));
	MUST(recv(fds[1], segment, sizeof(segment), MSG_WAITALL));
	return unacknowledged(fds[0]) > 0;
}

int main(void)
{
	bool delayed = false;
	int fds[2];

	tcp_pair(fds);
	/* more than once: this process may have been kept waiting for 40 ms */
	for (int i = 0; i < 20 && !delayed; i++)
		delayed = is_delayed(fds);
	tap_ok(delayed, "a segment that was read is not acknowledged yet");
	set_option(fds[1], IPPROTO_TCP, TCP_QUICKACK, 1);
	tap_is(unacknowledged(fds[0]), 0, "TCP_QUICKACK does it");
	close_pair(fds);
	return tap_end();
}
