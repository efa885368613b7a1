/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to read next. Where datagrams come fast but in small batches, a moment
 * later: waking up for each would cost more than to carry it, and on a busy
 * machine the CPU that their receiver needs.
 *
 * And not faster than the receiver can read: where they come fast or batches
 * are full, the socket is looked at that they go to (udp_gauge.h), and while
 * that is full nothing is read for it; what comes waits, until our own buffer
 * is full too.
 *
 * Nobody else is held up: what waits goes to the socket that is full. Only
 * where servers share a port by SO_REUSEPORT can others wait with it, and so a
 * socket that nothing is taken from is waited for VAIN_MS, and not again for
 * OFF_MS (udp_brake.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct forwarder;
struct udp_listener;
struct udp_session;

/* Of a socket that is read from. */
struct udp_brake {
	uint64_t tick;	/* ms; since then: */
	uint32_t count; /* messages */
	bool is_fast;	/* many came in the tick before */
	uint16_t wait_us; /* the latest */
	bool is_full;  /* the latest batch was: more is waiting */
	uint32_t mean; /* of its datagrams, bytes */
	uint32_t used; /* of the receiver's buffer, while we wait */
	uint64_t waits_since, off_until; /* ms */
};

/* For the container's addresses, and for the host's. -1: none. */
struct udp_gauges {
	bool asked;
	int v4_fd, v6_fd, host_fd;
};

/* udp_brake_init - Returns 0 or -errno. */
int udp_brake_init(struct forwarder *f);
void udp_brake_done(struct forwarder *f);

/*
 * udp_brake_prepare - get the container's gauges, if that was not tried yet.
 * udp_brake_forget - they were for other addresses.
 * udp_brake_gauge - @fd has come.
 */
void udp_brake_prepare(struct forwarder *f);
void udp_brake_forget(struct forwarder *f);
void udp_brake_gauge(struct forwarder *f, sa_family_t family, int fd);

/*
 * udp_brake_note_up, udp_brake_note_down - @n messages of @bytes in sum were
 * read, when @max could have been.
 */
void udp_brake_note_up(struct udp_listener *l, int n, unsigned int max, uint64_t bytes);
void udp_brake_note_down(struct udp_session *s, int n, unsigned int max, uint64_t bytes);

/*
 * udp_brake_up - how many messages to read from @l at most, whose latest went
 * to @last (or NULL). 0: none, and it is read again in a moment.
 * udp_brake_down - the same for what the container says in @s.
 */
unsigned int udp_brake_up(struct udp_listener *l, struct udp_session *last);
unsigned int udp_brake_down(struct udp_session *s);
