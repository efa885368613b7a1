/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read is acknowledged up to 40 ms later, when only one segment came
 * and the reader is in pingpong mode: a sender whose queue that segment fills
 * stands still. Setting TCP_QUICKACK acknowledges it at once (tcp(7);
 * __tcp_sock_set_quickack).
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <time.h>

#include "kernel/socket.h"

/* The shortest delay is 40 ms; a timer may be early by a tick, which is 10 ms at most. */
#define SOONER_MS 25

static char segment[32 * 1024];

static int unacknowledged(int fd)
{
	int bytes;

	MUST(ioctl(fd, SIOCOUTQ, &bytes));
	return bytes;
}

static unsigned long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long)ts.tv_sec * 1000 + (unsigned long)ts.tv_nsec / 1000000;
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
	bool delayed = false, sooner = false;
	unsigned long start, ms = 0;
	int fds[2];

	tcp_pair(fds);
	/*
	 * More than once: this process may have been kept waiting for 40 ms. The
	 * acknowledgement itself waits where the softirq is put off to its thread.
	 */
	for (int i = 0; i < 20 && !sooner; i++) {
		start = now_ms();
		if (!is_delayed(fds))
			continue;
		delayed = true;
		set_option(fds[1], IPPROTO_TCP, TCP_QUICKACK, 1);
		WAIT_UNTIL(unacknowledged(fds[0]) == 0);
		ms = now_ms() - start;
		sooner = ms < SOONER_MS;
	}
	tap_ok(delayed, "a segment that was read is not acknowledged yet");
	tap_ok(sooner, "TCP_QUICKACK does it, sooner than the timer can");
	tap_diag("%lu ms after it was sent", ms);
	close_pair(fds);
	return tap_end();
}
