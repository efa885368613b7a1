/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's time on the shunt: when it goes there from splice, what it
 * needs while it is there, and its end. datapath/shunt.h says how.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/loop.h"
#include "datapath/shunt.h"
#include "datapath/walker.h"
#include "forwarder/payoff.h"

struct flow;
struct forwarder;
struct pair;

/* The sender of one direction. */
struct captive {
	struct capture *capture;
	struct flow *flow;
	const struct shunt_side *side;
	bool is_client;
	bool is_prepared;
	bool is_waiting;	 /* for a look at the rings, before its capture: rings.c */
	uint32_t rings_begun;	 /* looks, when it began to wait */
	bool is_awaited;	 /* its capture is under way: in capturer->awaited */
	bool is_suspended;	 /* plain TCP, and to be captured (again) when it has sent more */
	bool was_captured;	 /* once */
	bool is_released;	 /* plain TCP, the shunt does not pay for it; for good unless suspended */
	bool is_watched;
	bool was_watched;	 /* once: something may have been redirected */
	bool is_short;		 /* its own queue: it was asked for */
	bool is_bulk;		 /* its target was asked to have few segments in flight */
	uint8_t quiet;		 /* ticks without a redirected byte */
	uint32_t seen_messages, seen_answers; /* at the last tick */
	uint64_t seen;		 /* redirected bytes at the last tick */
	uint32_t next_reads;	 /* suspended: to be tried again when it has sent so much */
	uint64_t next_bytes;
	uint64_t base;		 /* one way: tcp_written() of the target before the first byte */
	uint64_t leaves_by;	 /* timer_now(): evicted, and perhaps not yet plain TCP; 0: it is */
	uint64_t shorten_at;	 /* when so many bytes were relayed; UINT64_MAX: never */
	struct payoff payoff;
	struct loop_source room; /* in the target, watched in capturer->outs */
	LIST_ENTRY(captive) watching, awaiting, waiting;
};

/* Allocated when the first direction is worth it: idle connections pay nothing. */
struct capture {
	struct capturer *capturer;
	struct pair *pair;
	struct shunt_pair shunt;
	struct captive up, down;
};

LIST_HEAD(captive_list, captive);

/* The looks at the rings of one network namespace; rings.c. */
struct rings {
	struct captive_list waiting; /* for one to begin, or to end */
	struct loop_source timer;
	uint64_t next;	/* timer_now(): none before */
	uint32_t begun; /* so many; it wraps */
	bool is_wanted; /* somebody waits since the last one began */
	bool is_busy;	/* one is under way */
	bool is_warned;
};

/* The walks over the sockets of one network namespace; walk.c. */
struct walks {
	struct capturer *capturer;
	struct loop_source source; /* of the walker; fd -1: there is none */
	struct loop_source timer;
	uint64_t next;	/* timer_now(): none before */
	bool wanted;	/* something was asked for since the last one began */
	bool busy;	/* one is under way */
	bool look;	/* one is wanted, but not soon */
	bool requested; /* a walker */
	struct rings rings;
};

/* What the captures of a forwarder share. */
struct capturer {
	struct shunt *shunt; /* NULL: splice alone */
	struct shunt_tools tools;
	struct loop outs; /* in the forwarder's loop */
	struct loop_source outs_source;
	struct loop_source tick_timer;
	struct walks here, there; /* the host's, the container's */
	struct child walker;	  /* of the host's */
	struct captive_list watched, awaited;
	unsigned long n_watched;
	struct log_limit limit;
};

/* capturer_init - Returns 0 or -errno. capturer_done - harmless after a failure. */
int capturer_init(struct capturer *c, struct loop *loop);
void capturer_done(struct capturer *c);

/*
 * capture_consider - after a pair was served: have the sender of a direction
 * captured that has carried enough. At once for a client of this network
 * namespace; through the netns child for the container, which tells later.
 */
void capture_consider(struct pair *pair);

/* capture_end - before the pair's sockets are closed; harmless without a capture. */
void capture_end(struct pair *pair);

/*
 * capture_answer - what became of the capture that was asked of the netns
 * child: an enum shunt_capture or -errno.
 */
void capture_answer(struct capturer *c, uint64_t flow_id, int result);

/*
 * capture_may_relay - before a flow is served; one_way.c says why. Returns false
 * while that has to wait for a capture under way, or for a captured sender to be
 * plain TCP again; the pair is run again after it.
 */
bool capture_may_relay(struct pair *pair, struct flow *flow);

/* The other files' parts of it. */

/*
 * is_one_way - one_way.c is in force for this connection.
 * sender_is_drained - is there nothing for the sender of @flow, here, on its way or unread?
 * captive_evict - it is plain TCP, as soon as its present system call ends.
 */
bool is_one_way(const struct pair *pair);
bool sender_is_drained(struct pair *pair, const struct flow *flow);
void captive_evict(struct captive *captive);

/* burst_of - what @flow had carried when the other direction was served last; of one_way.c. */
uint64_t *burst_of(struct pair *pair, const struct flow *flow);

/* captive_of - the sender of @flow; NULL: nothing was ever worth a capture. */
struct captive *captive_of(const struct pair *pair, const struct flow *flow);

/*
 * capture_release - back to splice for good; @why is for the log.
 * captive_tend - after every pass over its connection; tend.c.
 */
void capture_release(struct captive *captive, const char *why);
void captive_tend(struct captive *captive);

/* Relayed after the capture, it shows that the sender does not get into step. */
#define CAPTIVE_SHORTEN_AFTER (256 * 1024)

/*
 * capture_go - the capture itself, of one whose rings were looked at: @users
 * are those that send over one.
 */
void capture_go(struct captive *captive, uint64_t users);

/* capture_log - @result of a capture, an enum shunt_capture or -errno; @who is its sender. */
void capture_log(struct capturer *c, const char *who, int result);

/* captive_name - for the log. */
static inline const char *captive_name(const struct captive *captive)
{
	return captive->is_client ? "client" : "container";
}

/*
 * walk_ask - what only a walk over all sockets can do, to the sender or its target; walk.c.
 * walk_ask_bulk - the sender turns out to send in bulk: few segments in flight,
 * asked for once. To be told early: when the target has got a large window,
 * there is never as much in flight as that allows, and the limit does not bite.
 * walk_end_bulk - any number again.
 * walk_look - the sender has nothing more to say, as it seems: see within a
 * second whether it is one that waits and was not told to go on.
 */
void walk_ask(struct captive *captive, enum shunt_ask what);
void walk_ask_bulk(struct captive *captive);
void walk_end_bulk(struct captive *captive);
void walk_look(struct captive *captive);

/*
 * walk_want_walker - have the walker of a place started, sooner or later; rings_go() follows.
 * walk_start - start the walker of the host's sockets, before isolation_enter().
 * walk_start_there - ask for that of the container's. walk_adopt - @fd is its socket; -1: it
 * could not be started.
 */
void walk_want_walker(struct walks *w);
int walk_start(struct capturer *c);
void walk_start_there(struct capturer *c);
void walk_adopt(struct capturer *c, int fd);
int walk_init(struct capturer *c, struct loop *loop);
void walk_done(struct capturer *c);

/*
 * rings_ask - have the rings looked at that the sender may use; capture_go() follows.
 * rings_leave - unless this is called; harmless for one that does not wait.
 * rings_go - look, if somebody waits for that. rings_answered - the walker has
 * looked. rings_lost - it is gone, and what it was asked for is asked again.
 */
void rings_ask(struct captive *captive);
void rings_leave(struct captive *captive);
void rings_go(struct walks *w);
void rings_answered(struct walks *w, const struct walker_answer *answer);
void rings_lost(struct walks *w);
int rings_init(struct walks *w, struct loop *loop);
void rings_done(struct walks *w);

/* watch_start - harmless when it is watched. watch_stop - likewise; watch.c. */
void watch_start(struct captive *captive);
void watch_stop(struct captive *captive);
int watch_init(struct capturer *c, struct loop *loop);
