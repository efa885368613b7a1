/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a UDP session. Start reading here.
 *
 *     client ──udp──▶ listener │ forwarder │ session ──udp──▶ container
 *             one socket a port            one socket a client, connected
 *
 * A session is a client's address and port, the address that it sent to, and
 * the listener; to the container it is a source port.
 *
 *   (none)     A datagram comes that belongs to no session: a socket of the
 *              container's namespace is connected to the container's address, and
 *              the datagram is sent through it to the container's port: udp_peer.h.
 *   UNREPLIED  The container has not said anything yet. Short timeout.
 *   REPLIED    It has. Long timeout. What it says goes to the client from the
 *              address that the client sent to.
 *   (freed)    No datagram either way for the timeout; or it had to make room,
 *              being idle longest; or its rule went.
 *
 * The sessions of each state are in a list, the one that was idle longest
 * first: that is all the timers there are. An error of the container's side
 * (a closed port, which its client is told of, see udp_icmp.h) ends no session:
 * the next datagram is a new attempt, by the same source port. Nothing is kept
 * for later: what a socket does not take at once is lost, so that nobody waits
 * for anybody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/loop.h"
#include "forwarder/protocol.h"
#include "forwarder/udp_batch.h"
#include "forwarder/udp_brake.h"
#include "forwarder/udp_family.h"
#include "forwarder/udp_icmp.h"
#include "forwarder/udp_idle.h"
#include "forwarder/udp_listener.h"
#include "forwarder/udp_peer.h"
#include "forwarder/udp_table.h"

struct forwarder;

struct udp_session {
	struct loop_source source; /* in the container */
	struct udp_entry entry;
	struct udp_listener *listener;
	TAILQ_ENTRY(udp_session) idle[UDP_POOLS]; /* in pool->idle[state] */
	TAILQ_ENTRY(udp_session) held; /* in udp->braked_sessions, if is_held */
	bool is_held;
	bool is_switched;      /* to the container's other address: udp_family.h */
	uint64_t switched_at;  /* ms; 0: never */
	struct udp_brake brake;
	struct udp_peer peer;
	uint64_t seen;		       /* CLOCK_MONOTONIC_COARSE, ms */
	uint16_t largest_up, largest_down; /* in bursts: udp_batch_send() */
	uint8_t state, family; /* of the container's address */
	int8_t first, last; /* of its messages in the batch at hand; -1: none */
};

struct udp {
	struct udp_table table;
	struct udp_pool pool;
	struct udp_listener_list listeners, paused, braked;
	struct udp_session_list braked_sessions;
	struct udp_limits limits;
	struct loop_source timer; /* the next timeout, or the end of a pause */
	struct loop_source brake_timer;
	struct udp_gauges gauges;
	struct udp_icmp icmp;
	uint64_t timer_at;	/* ms; UINT64_MAX: not set */
	uint64_t now;		/* of this turn, ms */
	uint64_t starved_until; /* no sockets from the container's side; 0: there are */
	struct log_limit full_limit, starved_limit;
	struct udp_batch batch;
};

/* udp_init - Returns 0 or -errno. */
int udp_init(struct forwarder *f);
void udp_done(struct forwarder *f);

/* udp_start - ask for sockets, if there is any listener that may want them. */
void udp_start(struct forwarder *f);

/*
 * udp_refilled - there are sockets of the container's namespace again, or
 * @error (-errno) says why not.
 */
void udp_refilled(struct forwarder *f, int error);

/*
 * udp_room - how many new clients could be served now; 0: not one, but soon,
 * and the listener is to be paused.
 */
unsigned int udp_room(struct forwarder *f);

/* udp_pause_begins - a listener waits for udp_refilled(), but not for long. */
void udp_pause_begins(struct forwarder *f);

/* udp_session_of - the session of @key, made if there is none; NULL: it cannot be. */
struct udp_session *udp_session_of(struct forwarder *f, struct udp_listener *l,
				   const struct udp_key *key);

/* udp_session_send - the messages from session->first on to the container. */
void udp_session_send(struct forwarder *f, struct udp_session *s);

/* udp_tick - take the time, once before the functions above. */
void udp_tick(struct udp *u);

/*
 * udp_forget - free the sessions of @rule (NULL: all) to the container's
 * address of @family (AF_UNSPEC: both).
 */
void udp_forget(struct forwarder *f, const struct rule *rule, sa_family_t family);

/*
 * udp_adopt - a session that another process has had of a client of @l, with
 * its socket, which is connected to the container's port. Returns 0, or -errno: @fd is the caller's then.
 */
int udp_adopt(struct forwarder *f, struct udp_listener *l, struct udp_key *key,
	      sa_family_t family, bool is_replied, int fd);
