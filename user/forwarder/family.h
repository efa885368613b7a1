/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To which of the container's two addresses a connection goes, one an address family.
 *
 * A server may listen on one of them alone. The address that comes first is connected to; where
 * the container refuses there, the other one is tried before the client is reset. Where the first
 * one says nothing for ATTEMPT_MS, both are tried at a time, as RFC 8305 has it, and the one that
 * answers first is taken. Which one did not answer is noted with the listener for NOTED_MS, so
 * that its next clients go to the other one at once.
 *
 * A connection that is answered at once costs none of this a system call, nor a look at the
 * clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "forwarder/family_note.h"

struct forwarder;
struct pair;

TAILQ_HEAD(family_queue, pair);

struct attempt;

/* Embedded in a pair. */
struct family_state {
	TAILQ_ENTRY(pair) entry;
	struct family_queue *queue; /* that it is in; NULL: none */
	uint64_t since;		    /* ms; 0: not looked at yet */
	struct attempt *second;	    /* beside the first one, which is the pair's */
	sa_family_t failed;	    /* AF_UNSPEC: none */
	bool was_silent, is_final;  /* `failed`; there is no other to try any more */
};

/* Embedded in the forwarder. */
struct families {
	struct family_queue connecting; /* those that have another address to try */
	struct family_queue waiting;	/* for a socket of the other family */
	struct loop_source turn, timer;
	bool is_timed;
	unsigned long attempts; /* second ones that are under way */
};

/* families_init - Returns 0 or -errno. */
int families_init(struct forwarder *f);
void families_done(struct forwarder *f);

/*
 * family_connecting - the connect of a new pair is under way.
 * family_connected - it was answered.
 * family_try_other - the container refused with @r (-errno). Returns true when another attempt is
 * under way: the pair stays.
 * family_end - the pair ends, whatever it has.
 */
void family_connecting(struct pair *pair);
void family_connected(struct pair *pair);
bool family_try_other(struct pair *pair, int r);
void family_end(struct pair *pair);

/* families_refilled - there are sockets of @family again, or @error (-errno) says why not. */
void families_refilled(struct forwarder *f, sa_family_t family, int error);

/* families_forget - the container has another address of @family. */
void families_forget(struct forwarder *f, sa_family_t family);
