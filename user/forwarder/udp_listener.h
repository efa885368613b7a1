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
#include "forwarder/udp_table.h"

struct forwarder;
struct rule;

struct udp_listener {
	struct loop_source source;
	struct forwarder *forwarder;
	struct rule *rule;
	uint16_t container_port;
	sa_family_t family;
	bool is_paused;
	TAILQ_ENTRY(udp_listener) entry; /* in udp->listeners or ->paused */
	LIST_ENTRY(udp_listener) of_rule;
};

TAILQ_HEAD(udp_listener_list, udp_listener);
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

/* udp_listeners_resume - those that were paused read again. */
void udp_listeners_resume(struct forwarder *f);

/* udp_listener_to - how to send to the client of @key. */
void udp_listener_to(const struct udp_listener *l, const struct udp_key *key,
		     struct udp_to *ret);
