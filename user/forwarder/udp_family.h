/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To which of the container's two addresses a UDP session goes: see family.h. A new session whose
 * address refuses, by ICMP, goes on with a socket to the other one. Until a port has answered by
 * an address, one datagram to it is kept, so that a client that asks once is served as well. An
 * address that is silent cannot be told from a server that has nothing to say.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "forwarder/family_note.h"

struct forwarder;
struct udp_kept;
struct udp_listener;
struct udp_session;

/* Embedded in a listener, of its port in the container. Zeroed: nothing is known. */
struct udp_family {
	struct family_note note;
	unsigned int answered; /* by which addresses: bits of udp_family.c */
	struct udp_kept *kept; /* owned */
};

/*
 * udp_family_keep - @s is about to send the messages from @first on, of the batch.
 * udp_family_answered - the container has replied.
 * udp_family_refused - it has refused. Returns true when the datagram went to the other address:
 * the client need not be told.
 * udp_family_end - the session ends.
 */
void udp_family_keep(struct forwarder *f, struct udp_session *s, int first);
void udp_family_answered(struct udp_session *s);
bool udp_family_refused(struct forwarder *f, struct udp_session *s);
void udp_family_end(struct udp_session *s);
