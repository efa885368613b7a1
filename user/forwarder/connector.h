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
#include "forwarder/connector_protocol.h"

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
	/* replies that are due; a reply that is not is dropped with its descriptors */
	unsigned int walkers_due, gauges4_due, gauges6_due;
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

/*
 * connector_capture - ask the netns child for a capture, as by shunt_capture();
 * `captured` gets the result. 0 or -errno.
 */
int connector_capture(struct connector *c, const struct shunt_side *side, uint64_t users);

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
