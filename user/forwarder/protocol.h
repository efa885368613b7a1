/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor says to the forwarder, over a SOCK_SEQPACKET: one
 * request, one reply. End of file on either side means the other is gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

enum forwarder_request_type {
	FORWARDER_SETUP,  /* once, first */
	FORWARDER_LISTEN, /* with descriptors of listening sockets */
	FORWARDER_START,  /* accept from now on */
	FORWARDER_STOP,	  /* no reply; the process ends */
};

struct forwarder_request {
	uint32_t type;
	union {
		struct {
			uint8_t datapath;  /* enum datapath */
			uint8_t log_level; /* enum log_level */
			bool log_json;
		} setup;
		struct {
			/* of the first descriptor; the next has the next */
			uint16_t container_port;
		} listen;
		struct {
			/* in the container; AF_UNSPEC: none of this family,
			 * its clients are carried over to the other one */
			struct addr target4, target6;
		} start;
		struct {
			/* connections whose container side has ended may
			 * still deliver what is on its way, for a second */
			bool drain;
		} stop;
	};
};

struct forwarder_reply {
	int32_t error; /* 0 or -errno */
	char text[ERROR_TEXT_MAX]; /* what failed, when error does not say it */
};
