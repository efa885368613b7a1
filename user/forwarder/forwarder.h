/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forwarder process: listeners, pairs, one loop. It holds no privilege
 * and opens nothing by itself; its sockets come from the supervisor and from
 * the netns child. (Without these two: forwarder/alone.h.)
 */
#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/tcp.h"
#include "datapath/datapath.h"
#include "datapath/splice.h"
#include "forwarder/capture.h"
#include "forwarder/connector.h"
#include "forwarder/family.h"
#include "forwarder/gate.h"
#include "forwarder/listener.h"
#include "forwarder/pair.h"
#include "forwarder/reach.h"
#include "forwarder/rules.h"
#include "forwarder/udp.h"

struct forwarder {
	struct loop loop;
	struct loop_source supervisor;
	struct loop_source timer; /* retry after exhaustion; end of draining */
	struct connector connector;
	struct splice splice;
	struct datapath_choice choice;
	struct capturer capturer;
	struct kernel_relays relays;
	struct addr target4, target6; /* in the container; AF_UNSPEC: none */
	sa_family_t first; /* of these two; AF_UNSPEC: each has its own clients */
	struct families families;
	struct listener_list listeners, paused;
	struct rules rules;
	struct gates gates;
	struct idle_watch idle;
	unsigned long pairs_open, listeners_open, fd_limit;
	char pacing[TCP_NAME_MAX]; /* of connections to other machines; "": as it comes */
	bool started, draining;
	bool leaving; /* it ends with its last connection */
	struct udp udp;
	struct log_limit exhausted_limit, refuses_limit;
	struct reach reach;
};

/*
 * forwarder_main - the body of the hidden command @forwarder.
 * @supervisor_fd and @netns_fd are SOCK_SEQPACKET sockets, taken over.
 * Returns the exit status.
 */
int forwarder_main(int supervisor_fd, int netns_fd);

/*
 * What forwarder_main() is made of: init and done, a request but for
 * FORWARDER_STOP, whose @fds it takes over; and the end, at once or after what
 * is on its way. @netns_fd is -1 where connector.make is set.
 * Return 0, or -errno, with @err set where there is more to say.
 */
int forwarder_init(struct forwarder *f, int netns_fd);
int forwarder_obey(struct forwarder *f, const struct forwarder_request *request,
		   struct forwarder_reply *reply, int *fds, size_t n, struct error *err);
void forwarder_finish(struct forwarder *f);
void forwarder_drain(struct forwarder *f);
void forwarder_done(struct forwarder *f);

/* forwarder_fds_in_use - how many descriptors the clients have now. */
unsigned long forwarder_fds_in_use(const struct forwarder *f);

/* forwarder_udp_max - how many UDP sessions the limit of open files allows now. */
unsigned long forwarder_udp_max(const struct forwarder *f);

/* forwarder_may_accept - is there all that one more connection needs? */
bool forwarder_may_accept(struct forwarder *f);

/* forwarder_fds_with - how many clients' descriptors @n more listeners leave. */
unsigned long forwarder_fds_with(const struct forwarder *f, unsigned long n);

/* forwarder_exhausted - tell (not too often) and try again in a moment. */
void forwarder_exhausted(struct forwarder *f, int r, const char *what);

/*
 * forwarder_refuses - a connection that was accepted is reset, as connecting it failed
 * with -@r: tell (not too often) where something ran out here.
 */
void forwarder_refuses(struct forwarder *f, int r);

/* forwarder_pair_gone - a pair was freed: somebody may be waiting for that. */
void forwarder_pair_gone(struct forwarder *f);
