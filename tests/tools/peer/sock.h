/* SPDX-License-Identifier: Apache-2.0 */
/* Making sockets as the options ask. Failures end the program. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* netns_enter - the calling thread moves into the namespace at @path. */
void netns_enter(const char *path);

struct listeners {
	unsigned int n;
	int *fds;
};

/*
 * sock_listen - one non-blocking listener for each port of the options, and
 * then the port's number to --ready-fd, and "port: N" on stdout when the
 * options said 0.
 */
struct listeners sock_listen(const struct options *o);

/*
 * sock_accept - the next connection, set up as the options and @io ask; with
 * IO_BLOCKING it waits for one. Returns the fd or -errno.
 */
int sock_accept(int listener, const struct options *o, enum io io, int nodelay);

/*
 * sock_open - an unconnected socket, number @index of this client, bound to
 * the source address of its turn. Non-blocking unless @io is IO_BLOCKING.
 */
int sock_open(const struct options *o, unsigned int index, enum io io, int nodelay);

/* sock_connect - starts or does the connect. Returns 0, -EINPROGRESS or -errno. */
int sock_connect(int fd, const struct options *o, unsigned int index);

/* sock_connected - a connected socket, whatever it takes, or the end. */
int sock_connected(const struct options *o, unsigned int index, enum io io, int nodelay);

void sock_set_blocking(int fd, bool on);

/* sock_close_rst - close so that the other side gets a reset. */
void sock_close_rst(int fd);
