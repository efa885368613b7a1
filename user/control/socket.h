/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the control socket: made, found stale, and removed. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct control_socket {
	int fd; /* listens; -1: none */
	const char *path;
	dev_t dev; /* the file that was made: another one is left alone */
	ino_t ino;
};

/*
 * control_socket_open - listen at @path, with mode 0600. A file that nobody
 * listens at any more is replaced. @path is to live as long as the socket.
 * Returns 0 or -errno with @err set; s->fd is -1 then.
 */
int control_socket_open(struct control_socket *s, const char *path, struct error *err);

/* control_socket_close - and remove the file; harmless when it is not open. */
void control_socket_close(struct control_socket *s);

/* control_socket_connect - Returns a blocking descriptor, or -errno with @err set. */
int control_socket_connect(const char *path, struct error *err);
