/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which port of the container a session speaks with.
 *
 * A server may answer from another port than the one that was asked, and go on there: TFTP's
 * does (RFC 1350, section 4). So a session begins with any port: its socket is connected to
 * the container's address and port 0, which matches every port of that address and no other
 * address (compute_score() in net/ipv4/udp.c), and what the client sends names the published
 * port. Its client only ever sees the published port of the host.
 *
 * The session settles when its client goes on after an answer: the socket is connected to the
 * port of the latest answer, other ports are not heard from then on, and a datagram costs
 * no route lookup. Without an answer it settles for the published port after a few datagrams.
 *
 * When the port that a session settled for is closed, and is not the published one, the session
 * begins again: the next datagram goes to the published port.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct forwarder;
struct udp_message;
struct udp_session;
struct udp_to;

struct udp_peer {
	in_port_t answered_by; /* the port of the latest answer, network order; 0: none yet */
	uint8_t unanswered;    /* batches that were sent since the session began */
	bool is_settled;
};

/* udp_peer_begin - connect @fd to any port of @target. Returns 0 or -errno. */
int udp_peer_begin(int fd, const struct addr *target);

/* udp_peer_heard - @last is the latest datagram of the container. */
void udp_peer_heard(struct udp_session *s, const struct udp_message *last);

/*
 * udp_peer_to - where the next datagrams of the client go, for udp_batch_send(). Settles the
 * session if it is time, and begins it again if the port it has settled for is gone.
 */
void udp_peer_to(struct forwarder *f, struct udp_session *s, struct udp_to *ret);

/* udp_peer_settle - speak with the latest port, or with the published one, from now on. */
void udp_peer_settle(struct forwarder *f, struct udp_session *s);

/*
 * udp_peer_refused - the container's port is closed. Returns whether the client must be told;
 * else the session has begun again, and the client may repeat what it sent.
 */
bool udp_peer_refused(struct forwarder *f, struct udp_session *s);

/* udp_peer_port - that the client's next datagrams go to, host order. */
uint16_t udp_peer_port(const struct udp_session *s);
