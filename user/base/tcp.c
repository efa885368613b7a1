/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tcp.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define KEEPALIVE_SECONDS 15
#define SHORT_BYTES (128 << 10)
#define NO_CLAMP (1 << 30) /* the largest window of TCP: RFC 7323, 2.3 */
#define LOW_BYTES (256 << 10)
#define LOOPBACK_MSS 10000 /* a jumbo frame has 9000 */
#define SHORT_MSS 15000 /* with what the kernel adds, 16 KiB */

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

void tcp_pace(int fd, const char *name)
{
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

void tcp_no_pacing(int fd)
{
	tcp_pace(fd, "reno");
}

void tcp_pacing_default(char name[TCP_NAME_MAX])
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/net/ipv4/tcp_congestion_control", "re");

	if (!f || fscanf(f, "%15s", name) != 1 || strcmp(name, "reno") == 0 ||
	    strcmp(name, "cubic") == 0)
		*name = '\0';
}

bool tcp_is_loopback(int fd)
{
	int mss = 0;
	socklen_t len = sizeof(mss);

	return getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len) == 0 && mss >= LOOPBACK_MSS;
}

void tcp_short_queue(int fd, bool on)
{
	set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, on ? SHORT_BYTES : NO_CLAMP);
}

void tcp_acknowledge(int fd)
{
	set(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

void tcp_low_water(int fd, bool on)
{
	set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, on ? 2 * LOW_BYTES : -1);
}

int tcp_unsent(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQNSD, &n) < 0 ? 0 : n;
}

/* As include/uapi/linux/tcp.h has it; that of the C library ends before. */
static uint64_t bytes_acked(int fd)
{
	struct {
		struct tcp_info begin;
		uint64_t pacing_rate, max_pacing_rate, bytes_acked;
	} info = { .bytes_acked = 0 };
	socklen_t len = sizeof(info);

	_Static_assert(offsetof(typeof(info), bytes_acked) == 120, "the kernel's layout");
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.bytes_acked;
}

uint64_t tcp_written(int fd)
{
	uint64_t acked, before;
	int queued;

	/* until both are of one moment */
	acked = bytes_acked(fd);
	do {
		before = acked;
		queued = tcp_unacknowledged(fd);
		acked = bytes_acked(fd);
	} while (acked != before);
	return acked + (uint64_t)queued;
}

void tcp_settle(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
}

int tcp_unacknowledged(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQ, &n) < 0 ? 0 : n;
}

void tcp_flush(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

bool tcp_bound_buffers(int fd, uint32_t bytes)
{
	int got = 0;
	socklen_t len = sizeof(got);

	set(fd, SOL_SOCKET, SO_SNDBUF, (int)bytes);
	set(fd, SOL_SOCKET, SO_RCVBUF, (int)bytes);
	return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got / 2 >= (int)bytes;
}

void tcp_bound_unsent(int fd, uint32_t bytes)
{
	set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes ? (int)bytes : -1);
}

void tcp_short_segments(int fd)
{
	set(fd, IPPROTO_TCP, TCP_MAXSEG, SHORT_MSS);
}

uint32_t tcp_rtt(int fd)
{
	struct tcp_info info = { .tcpi_rtt = UINT32_MAX };
	socklen_t len = sizeof(info);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_rtt;
}
