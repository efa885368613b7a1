/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's port is closed: a direct client would be told by ICMP, so
 * that its next call says ECONNREFUSED. The kernel told our socket instead;
 * with CAP_NET_RAW at the start the ICMP child (icmp_child.h) passes it on,
 * without it clients wait for a reply in vain.
 */
#pragma once

#include "forwarder/icmp_protocol.h"
#include "isolation/child.h"

struct forwarder;
struct udp_session;

struct udp_icmp {
	struct child child; /* fd -1: there is none */
	struct icmp_rate rate; /* its own, so that it is not woken in vain */
};

void udp_icmp_init(struct udp_icmp *icmp);

/* udp_icmp_start - start the child, before isolation_enter(), where that is permitted. */
void udp_icmp_start(struct udp_icmp *icmp);
void udp_icmp_done(struct udp_icmp *icmp);

/*
 * udp_icmp_refused - tell the client of @s that what it sent to is closed. Does
 * not wait: what the child is not quick enough for is lost, as on any network.
 */
void udp_icmp_refused(struct forwarder *f, const struct udp_session *s);
