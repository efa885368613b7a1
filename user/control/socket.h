/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the control socket: made, found stale, and removed. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/error.h"
#include "control/wait.h"

struct control_socket {
	int fd; /* listens; -1: none */
	const char *path;
	dev_t dev; /* the file that was made: another one is left alone */
	ino_t ino;
	/* where the file is until it replaces another's, which is there then; "": done */
	char beside[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool is_exchanged;
};

/*
 * control_socket_open - listen at @path, with mode 0600. A file that nobody
 * listens at any more is replaced; of several that do so at one time, one does.
 * @path is to live as long as the socket. Returns 0 or -errno with @err set;
 * s->fd is -1 then.
 */
int control_socket_open(struct control_socket *s, const char *path, struct error *err);

/*
 * For a @path at which somebody listens who will give it up, so that at no
 * moment nobody does.
 *
 * control_socket_open_beside - the same as above, but the file has another name.
 * control_socket_replace - now it is at @path, and the other file is beside it.
 * control_socket_settle - the other file is not needed any more. Until then
 * control_socket_close() puts it back.
 * Return 0 or -errno with @err set.
 *
 * control_socket_restore - for who was to give up @path, and is not: whoever wanted
 * it is gone, perhaps killed halfway, and could not tidy up.
 */
int control_socket_open_beside(struct control_socket *s, const char *path, struct error *err);
int control_socket_replace(struct control_socket *s, struct error *err);
void control_socket_settle(struct control_socket *s);
void control_socket_restore(const struct control_socket *s);

/* control_socket_close - and remove the file; harmless when it is not open. */
void control_socket_close(struct control_socket *s);

/*
 * control_socket_connect - to who listens at @path, if that is root or this user: who else made
 * the file, as anybody can in /tmp, is not talked to. Returns a non-blocking descriptor, or
 * -errno with @err set: -EPERM for somebody else's; or what @wait says.
 */
int control_socket_connect(const char *path, const struct control_wait *wait,
			   struct error *err);
