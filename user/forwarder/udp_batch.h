/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams on their way: read many at a time into buffers that all sockets
 * share, and sent from there, many at a time.
 *
 * A run of equal datagrams goes out as one piece that the kernel cuts again
 * (udp(7), UDP_SEGMENT), and may have come in as one (UDP_GRO): it passes the
 * network stack once. The cuts are where they were; each datagram arrives as
 * it was sent, in order, whatever its size.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* Messages in a batch; each is a datagram, or a burst that came as one piece. */
#define UDP_BATCH_MAX 48

/* The largest datagram, and what keeps the buffers from the same cache lines. */
#define UDP_BUFFER (65536 + 192)

/* Room for IP_PKTINFO, IPV6_PKTINFO and UDP_GRO or UDP_SEGMENT. */
#define UDP_CONTROL 96

struct udp_message {
	struct sockaddr_in6 from; /* or a sockaddr_in; unless the socket is connected */
	uint32_t len, segment;	  /* every `segment` bytes a datagram begins */
	int next;		  /* of those that are sent together; -1: the last */
	char control[UDP_CONTROL] __attribute__((aligned(8)));
};

struct udp_batch {
	struct udp_message messages[UDP_BATCH_MAX];
	struct mmsghdr in[UDP_BATCH_MAX], out[UDP_BATCH_MAX];
	struct iovec in_iov[UDP_BATCH_MAX], out_iov[UDP_BATCH_MAX];
	int out_first[UDP_BATCH_MAX]; /* of `out`: its first message */
	char out_control[UDP_BATCH_MAX][UDP_CONTROL] __attribute__((aligned(8)));
	unsigned char data[UDP_BATCH_MAX][UDP_BUFFER];
};

/* Where to: all 0 for a connected socket. */
struct udp_to {
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
	/* the address to send from, as one control message */
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] __attribute__((aligned(8)));
	size_t control_len;
};

/* udp_to_send - one message; lost if it cannot be sent. */
void udp_to_send(int fd, struct udp_to *to, void *data, size_t len);

/*
 * udp_batch_recv - what waits in @fd, @max messages at most; their `next` is
 * -1. Returns how many, or -errno: what was pending on the socket, or -EAGAIN.
 */
int udp_batch_recv(struct udp_batch *b, int fd, unsigned int max);

/*
 * udp_batch_send - the message @first, and those that follow it by `next`.
 * *largest is the largest datagram that may go in a burst, lowered when the
 * path refuses one. What cannot be sent now is lost, as on any network.
 * Returns 0, or -errno of the last that was lost or of what was pending.
 */
int udp_batch_send(struct udp_batch *b, int fd, const struct udp_to *to, int first,
		   uint16_t *largest);
