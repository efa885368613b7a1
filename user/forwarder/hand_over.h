/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another portshunt takes over. Its forwarder gets copies of the listeners, and
 * of the sockets of UDP sessions, while this one goes on. Then this one pauses:
 * new clients, and datagrams, wait in the kernel; replies of UDP are still passed on.
 * Either it is told to go on, and nothing has happened; or the other has begun,
 * and this one leaves: it closes its copies and ends with its last connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forwarder/protocol.h"

struct forwarder;

/*
 * hand_over_sockets - the descriptors of @request's listeners, at most
 * FD_PASS_MAX, which stay the forwarder's; fewer than were asked for end with
 * the first that is not there. Returns 0, or -ENOENT when none is.
 */
int hand_over_sockets(struct forwarder *f, const struct forwarder_request *request,
		      int *fds, size_t *ret_n);

/*
 * hand_over_sessions - a page of UDP sessions from @after on, with the
 * descriptors, which stay the forwarder's. Returns how many. It must be paused.
 */
size_t hand_over_sessions(struct forwarder *f, uint32_t after, struct forwarder_sessions *ret,
			  int *fds);

/*
 * hand_over_adopt - the other side of it, of one session: not if @fd does not lead to
 * where its rule does now. Returns 0, or -errno: @fd is the caller's then.
 */
int hand_over_adopt(struct forwarder *f, const struct forwarder_session *session, int fd);

void hand_over_pause(struct forwarder *f, bool pause);

/* hand_over_leave - Returns how many connections there are yet. */
uint32_t hand_over_leave(struct forwarder *f, uint32_t timeout_ms);
