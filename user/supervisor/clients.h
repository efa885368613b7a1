/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's ends of its two helpers: the process and the socket to it,
 * and one function for each thing that it can be told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "forwarder/protocol.h"
#include "forwarder/told.h"
#include "supervisor/netns_protocol.h"
#include "supervisor/process.h"

struct client {
	struct process process;
	int fd; /* SOCK_SEQPACKET */
	uint32_t serial; /* of the forwarder's latest request */
	uint32_t seen;	 /* of its latest reply */
	struct forwarder_told told; /* the forwarder */
	bool is_running; /* see client_running() */
	int signal_fd, exit_fd;
	/*
	 * A message of its made no sense, so somebody else may speak for it: it was killed, and
	 * is not heard any more. Whoever watches it reports its end, for this reason.
	 */
	bool is_lost;
	unsigned int late; /* replies of the netns child that nobody waits for: netns_ask() */
};

void client_init(struct client *c);

/* client_done - close the socket and see the process end: now, or in @grace_ms. */
void client_done(struct client *c, int grace_ms);

/*
 * client_spawn - start "@command" with a new control socket and @peer_fd, its
 * end of the socket between the two helpers. Returns 0 or -errno.
 */
int client_spawn(struct client *c, const char *command, int peer_fd,
		 struct process_spec *spec, struct error *err);

/*
 * client_running - from now on the end of the process is told to somebody
 * else, and the forwarder gets CLIENT_TIMEOUT_S for a reply, and CLIENT_PAGES_TIMEOUT_S for
 * all pages of a list: -ETIMEDOUT then, and what it was asked for may or may not come to pass.
 * After CLIENT_PATIENCE_MS it is -ECANCELED as soon as @signal_fd, a signalfd, can be read, or
 * the other end of @exit_fd (or -1) is closed: whoever waits must be able to end.
 */
#define CLIENT_TIMEOUT_S 5
#define CLIENT_PAGES_TIMEOUT_S 30
#define CLIENT_PATIENCE_MS 500
void client_running(struct client *c, int signal_fd, int exit_fd);

/* client_distrust - see is_lost. Returns -EBADMSG, with @err set; @name is for it. */
int client_distrust(struct client *c, const char *name, struct error *err);

/*
 * forwarder_ask - one request and its reply, which is set on success.
 * forwarder_page - the same for a page of a list, whose first page was asked for at @began,
 * timer_now().
 * forwarder_get - the same, and the descriptors of the reply: at most @max, which
 * belong to the caller; *ret_n is how many came, 0 on failure.
 * forwarder_tell - a request whose reply nobody waits for.
 */
int forwarder_ask(struct client *c, struct forwarder_request *request,
		  struct forwarder_reply *reply, struct error *err);
int forwarder_page(struct client *c, struct forwarder_request *request,
		   struct forwarder_reply *reply, uint64_t began, struct error *err);
int forwarder_get(struct client *c, struct forwarder_request *request,
		  struct forwarder_reply *reply, int *fds, size_t max, size_t *ret_n,
		  struct error *err);
int forwarder_tell(struct client *c, struct forwarder_request *request);

/*
 * forwarder_open - a rule whose listeners it has: they are accepted on from now on, or from
 * its start, within @limits, those of its own. Returns 0, or -errno with @err set.
 */
int forwarder_open(struct client *c, uint32_t rule, const struct limits *limits,
		   struct error *err);

/*
 * forwarder_call - one request with @n descriptors, and its reply.
 * forwarder_call_all - LISTENs, ≤ FORWARDER_AT_ONCE, done until one fails.
 * forwarder_send - the same, or ADOPTs, and the reply.
 * netns_call - one request with a descriptor or -1, and its reply.
 * Return 0, or -errno with @err set, also when the helper is gone.
 */
int forwarder_call(struct client *c, struct forwarder_request *request,
		   const int *fds, size_t n, struct error *err);
int forwarder_call_all(struct client *c, struct forwarder_request *requests,
		       size_t n_requests, const int *fds, size_t n, struct error *err);
int forwarder_send(struct client *c, struct forwarder_request *requests, size_t n_requests,
		   const int *fds, size_t n, struct forwarder_reply *reply, struct error *err);
int netns_call(struct client *c, struct netns_request *request, int fd,
	       struct netns_reply *reply, struct error *err);

/*
 * netns_ask - the same of a netns child that runs, which gets CLIENT_PATIENCE_MS for its reply:
 * -ETIMEDOUT then. Not of an init: what it says then is COMMAND's end.
 * netns_late - whether a message that has come is one of those replies; then it is dropped.
 */
int netns_ask(struct client *c, struct netns_request *request, struct netns_reply *reply,
	      struct error *err);
bool netns_late(struct client *c);

/* netns_send - a request without a reply, or one whose reply comes later. */
int netns_send(struct client *c, struct netns_request *request);
