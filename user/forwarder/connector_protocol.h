/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages between the forwarder and the netns child, over a SOCK_SEQPACKET, and the
 * only code that reads them. Each end treats the other as hostile: the forwarder reads the
 * bytes of strangers, and under `run` COMMAND can take the init's end by pidfd_getfd(2).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "datapath/shunt.h"

enum connector_type {
	CONNECTOR_SOCKETS,
	CONNECTOR_TOOLS,   /* with the descriptors of struct shunt_tools; no reply */
	CONNECTOR_CAPTURE, /* of the sender of a flow */
	CONNECTOR_WALKER,  /* to be started; one reply, with a descriptor or none */
	CONNECTOR_GAUGE,   /* udp_gauge.h; one reply, with its descriptor or none */
	CONNECTOR_TYPES,
};

/* The most sockets that one request asks for. */
#define CONNECTOR_BATCH 32

/* How many descriptors TOOLS has. */
#define CONNECTOR_TOOLS_FDS 3

struct connector_request {
	uint8_t type;
	uint8_t count;	    /* SOCKETS: 1 to CONNECTOR_BATCH */
	uint8_t udp;	    /* SOCKETS: 0 or 1 */
	struct addr target; /* SOCKETS, GAUGE: where they will be connected to; AF_INET or AF_INET6 */
	struct shunt_side side; /* CAPTURE */
	uint64_t users;		/* CAPTURE: whose sockets are not captured */
};

/*
 * Two replies to SOCKETS: one with the descriptors, and one without, sent
 * when the netns child has closed its own copies. Only then may they be used:
 * a copy elsewhere would keep a closed socket in this process's epoll set.
 */
struct connector_reply {
	uint8_t type;
	uint8_t family;	  /* SOCKETS, GAUGE: as in the request */
	uint8_t udp;	  /* SOCKETS: 0 or 1 */
	uint8_t released; /* SOCKETS: 0, or 1: the second reply */
	/* SOCKETS: 0 or -errno; CAPTURE: of shunt_capture() */
	int32_t result;
	uint64_t flow; /* CAPTURE: its id */
};

/*
 * connector_request_decode, connector_reply_decode - check a message of @len bytes at @data
 * that came with @n_fds descriptors, and copy it to *ret. Pure: what an accepted message
 * names is in range, which says nothing about whether it was asked for.
 * Returns 0, or -EBADMSG with *ret untouched. The descriptors stay the caller's.
 */
int connector_request_decode(const void *data, size_t len, size_t n_fds,
			     struct connector_request *ret);
int connector_reply_decode(const void *data, size_t len, size_t n_fds,
			   struct connector_reply *ret);
