/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the forwarder says to the ICMP child (icmp_child.h), one struct a
 * message, without a reply; and the only packets that come of it. The forwarder
 * reads the bytes of strangers: what it says is hostile input.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as the kernel sends by itself: net.ipv4.icmp_msgs_per_sec. */
#define ICMP_PER_SECOND 1000

/* A client's datagram came to a port that is closed. IPv4 is ::ffff:1.2.3.4. */
struct icmp_refusal {
	struct in6_addr client;
	struct in6_addr local;	/* that it was sent to, and is answered from; ::, as the route says */
	uint32_t scope;		/* the interface of a link-local address, else 0 */
	in_port_t client_port, local_port; /* network order */
};

_Static_assert(sizeof(struct icmp_refusal) == 40, "no padding");

/*
 * icmp_refusal_decode - check a message of @len bytes at @data, and copy it to *ret: one
 * client, not a group of them, at a port; both addresses of one family. Pure. Returns 0, or
 * -EBADMSG with *ret untouched.
 */
int icmp_refusal_decode(const void *data, size_t len, struct icmp_refusal *ret);

/* The error, the client's IP header and the 8 bytes after it, of the longer family. */
#define ICMP_PACKET_MAX (8 + 40 + 8)

/*
 * icmp_refusal_packet - write "port unreachable" for @r, as a raw socket takes it. Pure.
 * Returns its length.
 */
size_t icmp_refusal_packet(const struct icmp_refusal *r, unsigned char packet[ICMP_PACKET_MAX]);

/* How many were sent in this second. Zeroed at first. */
struct icmp_rate {
	uint64_t second;
	unsigned int sent;
};

/* icmp_may_send - one more at @now_ms, CLOCK_MONOTONIC? It is counted then. */
bool icmp_may_send(struct icmp_rate *rate, uint64_t now_ms);
