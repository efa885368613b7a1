/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of the control socket. Both ends ask. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

/*
 * control_peer_is_trusted - the other end of @fd is root's or this user's: of the server's end
 * who called connect(2), of the client's end who called listen(2), see SO_PEERCRED in unix(7).
 * In a user namespace that is its root, and this user by the id that it has there; users that
 * have no id there are not told apart, and none of them is trusted. *ret_peer is who it is;
 * its uid is -1 if that is not to be known.
 */
bool control_peer_is_trusted(int fd, struct ucred *ret_peer);

/*
 * control_peer_check - before anything is asked of the server at the other end of @fd: is it
 * trusted? @what is asked of the socket at @path, and @meant is said after "run this as user id
 * N if its". Returns 0, or -EPERM with @err set.
 */
int control_peer_check(int fd, const char *what, const char *path, const char *meant,
		       struct error *err);
