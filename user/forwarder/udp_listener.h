/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets of the host, one a published port. The supervisor opened them.
 * All clients of a port send to its listener, and get their replies from it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"
#include "forwarder/udp_batch.h"
#include "forwarder/udp_brake.h"
#include "forwarder/udp_family.h"
#include "forwarder/udp_table.h"

struct forwarder;
struct rule;
struct udp;
struct udp_session;

TAILQ_HEAD(udp_listener_list, udp_listener);

struct udp_listener {
	struct loop_source source;
	struct forwarder *forwarder;
	struct rule *rule;
	uint16_t container_port;
	struct udp_family family_of; /* of that port */
	sa_family_t family;
	struct in6_addr address; /* that it is bound to, IPv4 as ::ffff:1.2.3.4 */
	in_port_t port;		 /* network order */
	struct udp_listener_list *held; /* udp->paused or ->braked; NULL: it is read */
	TAILQ_ENTRY(udp_listener) entry; /* there, or in udp->listeners */
	LIST_ENTRY(udp_listener) of_rule;
	struct udp_session *last; /* of the latest batch */
	struct udp_brake brake;
};

LIST_HEAD(rule_udp_listeners, udp_listener);

/*
 * udp_listener_new - take over @fd, a bound UDP socket. It is read once the
 * rule is open and the forwarder started. Returns 0 or -errno; the fd is the
 * caller's on failure.
 */
int udp_listener_new(struct rule *rule, int fd, uint16_t container_port,
		     struct udp_listener **ret);

/* udp_listener_free - it has no sessions any more. */
void udp_listener_free(struct udp_listener *l);

/*
 * udp_listener_hold - do not read from it, and put it into @list.
 * udp_listeners_release - those of @list are read again.
 */
void udp_listener_hold(struct udp_listener *l, struct udp_listener_list *list);
void udp_listeners_release(struct udp *u, struct udp_listener_list *list);

/* udp_listener_to - how a socket of @family sends to the client of @key. */
void udp_listener_to(sa_family_t family, const struct udp_key *key, struct udp_to *ret);
