/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's port is closed: a direct client would be told by ICMP, so
 * that its next call says ECONNREFUSED. The kernel told our socket instead;
 * with CAP_NET_RAW at the start it is passed on, without it clients wait for
 * a reply in vain.
 */
#pragma once

#include <stdint.h>

struct forwarder;
struct udp_session;

/* -1: not permitted. */
struct udp_icmp {
	int v4_fd, v6_fd;
	uint64_t second; /* CLOCK_MONOTONIC_COARSE; since then: */
	unsigned int sent;
};

/*
 * udp_icmp_init - open raw sockets that send and never receive, which needs
 * the privilege that isolation_enter() drops.
 */
void udp_icmp_init(struct udp_icmp *icmp);
void udp_icmp_done(struct udp_icmp *icmp);

/* udp_icmp_refused - tell the client of @s that what it sent to is closed. */
void udp_icmp_refused(struct forwarder *f, const struct udp_session *s);
