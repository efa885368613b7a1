/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst of datagrams goes through the network stack as one piece (udp(7),
 * UDP_SEGMENT), gathered from wherever they lie, the last of them shorter. A
 * receiver that did not ask for bursts (UDP_GRO) gets them one by one, cut where
 * they were; one that did gets the piece, and the size of the datagrams.
 * What would not fit the MTU is refused as a burst, and sent in fragments alone.
 */
#include "kernel/datagram.h"

#define SIZE 100
#define N 5

static unsigned char text[N][SIZE];

static long send_burst(int fd, int n, size_t size, size_t last)
{
	char control[CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8))) = { 0 };
	static unsigned char large[2][2000];
	struct iovec iov[N];
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = (size_t)n,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	uint16_t segment = (uint16_t)size;

	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){ size > SIZE ? large[i] : text[i],
					 i == n - 1 ? last : size };
	return RC(sendmsg(fd, &msg, 0));
}

static void one_by_one(int from, int to)
{
	unsigned char got[1000];

	tap_is(send_burst(from, N, SIZE, 30), (N - 1) * SIZE + 30, "a burst of five is sent");
	for (int i = 0; i < N; i++) {
		long size = i == N - 1 ? 30 : SIZE;

		wait_for(to, POLLIN);
		tap_is(RC(recv(to, got, sizeof(got), 0)), size, "one of its datagrams");
		tap_ok(memcmp(got, text[i], (size_t)size) == 0, "as it was");
	}
	tap_is(RC(recv(to, got, sizeof(got), 0)), -EAGAIN, "and no more");
}

static void as_one_piece(int from, int to)
{
	char control[64] __attribute__((aligned(8)));
	unsigned char got[1000];
	struct iovec iov = { got, sizeof(got) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int size = 0;
	void *told;

	set_option(to, SOL_UDP, UDP_GRO, 1);
	send_burst(from, N, SIZE, 30);
	wait_for(to, POLLIN);
	tap_is(RC(recvmsg(to, &msg, 0)), (N - 1) * SIZE + 30, "with UDP_GRO it comes whole");
	told = control_of(&msg, SOL_UDP, UDP_GRO);
	if (told)
		memcpy(&size, told, sizeof(size));
	tap_is(size, SIZE, "and the size of its datagrams is told");
	tap_ok(memcmp(got, text, (N - 1) * SIZE + 30) == 0, "the bytes are the same");
}

static void set_mtu(int mtu)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = mtu };
	int fd = (int)MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	MUST(ioctl(fd, SIOCSIFMTU, &ifr));
	close(fd);
}

int main(void)
{
	struct sockaddr_storage at;
	unsigned char got[2000];
	int from, to;
	long r;

	if (own_network() < 0)
		tap_skip_all("neither root nor user namespaces");
	for (int i = 0; i < N; i++)
		memset(text[i], 'a' + i, SIZE);
	to = udp_bound(AF_INET, "127.0.0.1", &at);
	from = udp_connected(&at);
	one_by_one(from, to);
	as_one_piece(from, to);

	/* 20 bytes of IPv4, 8 of UDP */
	set_mtu(1500);
	tap_is(send_burst(from, 2, 1472, 1472), 2944, "datagrams that fit the MTU");
	r = send_burst(from, 2, 1473, 1473);
	tap_ok(r == -EINVAL || r == -EMSGSIZE, "one byte more: no burst");
	tap_diag("%s", strerrorname_np((int)-r));
	wait_for(to, POLLIN);
	while (recv(to, got, sizeof(got), 0) > 0)
		;
	tap_is(RC(send(from, got, 1473, 0)), 1473, "but alone it is sent");
	wait_for(to, POLLIN);
	tap_is(RC(recv(to, got, sizeof(got), 0)), 1473, "and arrives");
	return tap_end();
}
