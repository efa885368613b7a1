/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP and UDP sockets of the container's network namespace, ready to be
 * connected. A socket stays in the namespace where it was made, so the netns child makes
 * them in batches and a connection never waits for a round trip.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/loop.h"
#include "datapath/shunt.h"

/* What goes over the SOCK_SEQPACKET between the forwarder and the netns child. */
enum connector_request_type {
	CONNECTOR_SOCKETS,
	CONNECTOR_TOOLS,   /* with the descriptors of struct shunt_tools; no reply */
	CONNECTOR_CAPTURE, /* of the sender of a flow */
	CONNECTOR_WALKER,  /* to be started; one reply, with a descriptor or none */
	CONNECTOR_GAUGE,   /* udp_gauge.h; one reply, with its descriptor or none */
};

struct connector_request {
	uint8_t type;
	uint8_t count;	    /* SOCKETS: ≤ CONNECTOR_BATCH */
	bool udp;	    /* SOCKETS */
	struct addr target; /* SOCKETS: where they will be connected to */
	struct shunt_side side; /* CAPTURE */
};

/*
 * Two replies to a request: one with the descriptors, and one without, sent
 * when the netns child has closed its own copies. Only then may they be used:
 * a copy elsewhere would keep a closed socket in this process's epoll set.
 */
struct connector_reply {
	uint8_t type;
	uint8_t family;
	bool udp;
	bool released;
	/* SOCKETS: 0 or -errno; CAPTURE: of shunt_capture() */
	int32_t result;
	uint64_t flow; /* CAPTURE: its id */
};

#define CONNECTOR_BATCH 32
#define CONNECTOR_LOW 16
#define CONNECTOR_MAX (CONNECTOR_BATCH + CONNECTOR_LOW)

struct connector_shelf {
	int fds[CONNECTOR_MAX];
	unsigned int n;	   /* that may be used */
	unsigned int held; /* behind them: the netns child has copies yet */
	bool asked;
};

struct connector {
	struct loop_source source; /* the socket to the netns child */
	struct connector_shelf v4, v6, udp4, udp6;
	/* @error: 0 or -errno */
	void (*refilled)(struct connector *c, sa_family_t family, bool udp, int error);
	void (*captured)(struct connector *c, uint64_t flow, int result);
	void (*walker)(struct connector *c, int fd); /* the callee's; -1: none */
	void (*gauge)(struct connector *c, sa_family_t family, int fd);
	void (*lost)(struct connector *c); /* the netns child is gone */
	/*
	 * Makes one here, where there is no netns child (forwarder/alone.h): a
	 * descriptor or -errno. NULL: the netns child is asked.
	 */
	int (*make)(bool udp, sa_family_t family);
};

/* connector_set_tools - the netns child gets copies. Returns 0 or -errno. */
int connector_set_tools(struct connector *c, const struct shunt_tools *tools);

/* connector_capture - ask the netns child for a capture; `captured` tells. 0 or -errno. */
int connector_capture(struct connector *c, const struct shunt_side *side);

/* connector_walker - ask for a walker of the container's sockets; `walker` gets it. 0 or -errno. */
int connector_walker(struct connector *c);

/*
 * connector_init - take over @fd, the forwarder's end of the socket; -1: `make` is set.
 * Returns 0 or -errno.
 */
int connector_init(struct connector *c, struct loop *loop, int fd);
void connector_done(struct connector *c);

/* connector_fill - ask for sockets for @target if few of its kind are left. */
void connector_fill(struct connector *c, const struct addr *target, bool udp);

/*
 * connector_forget - drop the sockets of a kind that are there: they were
 * made for another target.
 */
void connector_forget(struct connector *c, sa_family_t family, bool udp);

/* connector_gauge - ask for a gauge of @target; `gauge` gets it. 0 or -errno. */
int connector_gauge(struct connector *c, const struct addr *target);

/* connector_has - how many sockets for @target are there to take now? */
unsigned int connector_has(const struct connector *c, const struct addr *target, bool udp);

/* connector_take - a socket for @target that the caller owns, or -EAGAIN. */
int connector_take(struct connector *c, const struct addr *target, bool udp);
