/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Podman's reload socket, TMPDIR/rp/ID: `podman network connect`, `disconnect`
 * and `reload` tell it the container's new address. AF_UNIX SOCK_SEQPACKET,
 * one request a connection: a message with a JSON string, the reply "OK" or
 * what is wrong, and the end. Its clients are root's and this user's, see control/peer.h.
 */
#pragma once

#include <sys/queue.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

/* At once; one more takes the place of the one that is silent for longest. */
#define RELOAD_CLIENTS_MAX 16

/* For the request to come; it is answered at once, and the reply fits into the socket. */
#define RELOAD_TIMEOUT_MS 10000

/* The longest request, in bytes. */
#define RELOAD_REQUEST_MAX 1024

/* Connect to this address from now on. Returns 0, or -errno with @err set: nothing changed. */
typedef int reload_fn(void *context, const char *child_ip, struct error *err);

/*
 * reload_parse - what a client sent: a JSON string, or null, which is "". Pure. Returns 0 with
 * the address, not checked, in *ret_ip, else -errno with @err set in the words of Go's
 * encoding/json. Either way *ret_json, which owns the address, is the caller's to free.
 */
int reload_parse(const char *text, size_t len, struct json **ret_json, const char **ret_ip,
		 struct error *err);

struct reload_client;

TAILQ_HEAD(reload_client_list, reload_client);

struct reload_server {
	struct loop_source source, timer;
	int dir_fd; /* of rp; -1: there is no socket */
	const char *name;
	ino_t ino; /* the file that was made: another one is left alone */
	struct reload_client_list clients; /* the oldest first */
	unsigned int n_clients;
	reload_fn *fn;
	void *context;
};

/* reload_init - nothing is open. reload_done - nothing is any more, nor is there a file. */
void reload_init(struct reload_server *s);
void reload_done(struct reload_server *s);

/*
 * reload_open - listen at @dir/@name, replacing what is there, however long
 * the path is, and serve clients in @loop. @name must live as long as the
 * server. Returns 0 or -errno with @err set.
 */
int reload_open(struct reload_server *s, const char *dir, const char *name,
		struct loop *loop, reload_fn *fn, void *context, struct error *err);
