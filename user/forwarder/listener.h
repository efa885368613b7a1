/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets of the host. The supervisor opened them; here they are
 * accepted on, and paused when something runs out: newcomers wait in the
 * kernel's backlog, established connections are not harmed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "forwarder/family_note.h"

struct forwarder;
struct rule;

struct listener {
	struct loop_source source;
	struct forwarder *forwarder;
	struct rule *rule;
	uint16_t container_port;
	struct family_note note; /* of that port */
	struct listener_list *held; /* forwarder->paused, or a gate's; NULL: it is accepted on */
	TAILQ_ENTRY(listener) entry; /* there, or in forwarder->listeners */
	LIST_ENTRY(listener) of_rule;
};

TAILQ_HEAD(listener_list, listener);
LIST_HEAD(rule_listeners, listener);

/*
 * listener_new - take over @fd, a listening socket. It is accepted on once
 * the rule is open and the forwarder started. Returns 0 or -errno; the fd is the caller's on
 * failure.
 */
int listener_new(struct rule *rule, int fd, uint16_t container_port,
		 struct listener **ret);
void listener_free(struct listener *listener);

/*
 * listener_resume - it tries again, soon, also when nobody waits any more.
 * listeners_resume - all those of forwarder->paused do.
 */
void listener_resume(struct listener *listener);
void listeners_resume(struct forwarder *forwarder);
