/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's server: clients, their requests and replies, a line
 * each, in order. What a client can use up is bounded: its request's size and
 * time, the time it takes to read a reply, and how many there are at once.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "control/request.h"
#include "control/socket.h"

/* At once; more wait, or replace those that have nothing to do. */
#define CONTROL_CLIENTS_MAX 64

/* For a request to be complete, and for its reply to be read. */
#define CONTROL_TIMEOUT_MS 10000

struct control_client;

TAILQ_HEAD(control_client_list, control_client);

/*
 * Returns 0 with the value of "return" in *ret, which the server frees, or
 * -errno with @err set. *ret_fd, which is -1, may be set to a descriptor that the
 * server sends with the reply, and closes.
 */
typedef int control_fn(void *context, const struct control_request *request,
		       struct json **ret, int *ret_fd, struct error *err);

struct control_server {
	struct control_socket socket;
	struct loop *loop;
	struct loop_source source, timer;
	struct control_client_list clients; /* the longest without a request first */
	unsigned int n_clients;
	bool is_paused;
	struct log_limit refused_limit;
	bool own_network_only; /* refuse clients of other network namespaces; set before the start */
	control_fn *fn;
	void *context;
};

/*
 * control_server_init - nothing is open.
 * control_server_open - the socket exists; clients wait until control_server_start().
 * Returns 0 or -errno with @err set.
 * control_server_open_beside - the same, see control_socket_open_beside().
 * control_server_start - serve them in @loop by @fn. Returns 0 or -errno.
 * control_server_done - no client is left, nor the socket.
 */
void control_server_init(struct control_server *s);
int control_server_open(struct control_server *s, const char *path, struct error *err);
int control_server_open_beside(struct control_server *s, const char *path, struct error *err);
int control_server_start(struct control_server *s, struct loop *loop, control_fn *fn,
			 void *context);
void control_server_done(struct control_server *s);
