/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forwarder without a supervisor and without a netns child, for one port: it
 * makes the sockets to the container by itself, in the network namespace that
 * it was started in. docker-proxy, which is there once a port, is one process
 * so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/error.h"
#include "datapath/datapath.h"
#include "forwarder/protocol.h"

struct alone {
	enum datapath datapath;
	struct udp_limits udp_limits;
	struct limits all_limits, rule_limits;
	bool udp;
	int listen_fd;	     /* a listening, or bound UDP, socket; taken over */
	struct addr target;  /* in the container */
	uint16_t target_port;
	int (*make)(bool udp, sa_family_t family); /* as in forwarder/connector.h */
};

/*
 * alone_open - from here on SIGTERM and SIGINT are waited for, no privilege is
 * left, and clients are accepted once alone_run() runs. Returns 0, or -errno with @err set.
 */
int alone_open(const struct alone *alone, struct error *err);

/* alone_run - until one of these signals; then clients get a FIN. Returns 0 or -errno. */
int alone_run(void);
