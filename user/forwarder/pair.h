/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one forwarded TCP connection. Start reading here.
 *
 *     D ──tcp──▶ A │ forwarder │ B ──tcp──▶ C
 *     client  `client`      `container`    the container's socket
 *
 * A was accepted by a listener, B is a socket of the container's namespace.
 *
 *   CONNECTING  B's handshake is under way, to one of the container's addresses
 *               or to both (family.h). Nothing is read from A; if it is reset, all
 *               is over.
 *   OPEN        both flows move bytes: `up` from A to B, `down` from B to A.
 *               A flow that reads end of file passes a FIN on, and the other
 *               flow goes on for as long as plain TCP would.
 *   (freed)     both flows ended: A and B are closed, each with its FIN sent.
 *               Or one side broke: the other gets a reset.
 *
 * An event never frees a pair while its other leg's event waits to be
 * dispatched: the loop takes both legs off its list (base/loop.h).
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/loop.h"
#include "datapath/splice.h"
#include "forwarder/family.h"
#include "forwarder/kernel_relay.h"

struct capture;
struct forwarder;
struct listener;
struct rule;

enum pair_state { PAIR_CONNECTING, PAIR_OPEN };

struct leg {
	struct loop_source source;
	struct pair *pair;
	bool relayed;	/* the kernel has what it receives: only its end is watched */
	bool wants_out; /* EPOLLOUT is watched: only once a write has blocked */
};

struct pair {
	LIST_ENTRY(pair) entry; /* in rule->pairs, the newest first */
	struct forwarder *forwarder;
	struct rule *rule;
	uint64_t id;
	enum pair_state state;
	sa_family_t family; /* of the container's side */
	uint16_t port;	    /* likewise */
	struct listener *listener; /* until it is closed: see note_of() of family.c */
	struct family_state families;
	bool up_ended, down_ended;
	struct leg client, container;
	struct flow up, down;
	struct kernel_relay relay;
	bool up_tried, down_tried; /* to be captured */
	uint64_t up_burst, down_burst; /* `bytes` when the other flow last moved some; capture.c */
	uint8_t idle_looks;  /* since it moved a byte; 0: not looked at yet */
	uint32_t idle_seen;  /* what it had moved by then */
	struct capture *capture;   /* NULL: on splice alone */
};

LIST_HEAD(pair_list, pair);

/* pair_alloc - what pair_start() takes over, or free(3); NULL: no memory. */
struct pair *pair_alloc(void);

/*
 * pair_start - connect @container_fd to @listener's port of @target and carry
 * @client_fd's bytes there. Both descriptors belong to the pair from here on,
 * also on failure: when the container refuses, by its other address as well, the client is
 * reset at once. @target is one of the forwarder's two.
 */
void pair_start(struct pair *pair, struct listener *listener, int client_fd, int container_fd,
		const struct addr *target);

/*
 * pair_abort - end it with a reset to both sides.
 * pair_finish - what was read is written as far as it goes without waiting,
 * then both sides get a FIN, also when they sent what nobody read.
 */
void pair_abort(struct pair *pair);
void pair_finish(struct pair *pair);

/*
 * Of one whose container has not answered:
 * pair_reconnect - connect @fd, a socket of pair->family, in place of the one it has.
 * pair_resume - the same of one whose connect is under way, or over. Either takes @fd over;
 * returns 0 or -errno.
 * pair_refused - it ends with a reset: the connect failed with @r (-errno).
 */
int pair_reconnect(struct pair *pair, int fd);
int pair_resume(struct pair *pair, int fd);
void pair_refused(struct pair *pair, int r);

/* What the kernel's relay needs of a pair; see kernel_relay.h. */

/* pair_watch - for what its flows need now. Returns 0 or -errno. */
int pair_watch(struct leg *leg);

/* pair_want_out - @flow waits for room in its target. Returns 0 or -errno. */
int pair_want_out(struct pair *pair, struct flow *flow);

/* pair_run - move what can be moved. Returns false when the pair is gone. */
bool pair_run(struct pair *pair);

/* pair_break - end it with a reset, after what the other direction holds. */
void pair_break(struct pair *pair, int r);
