/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one -p, or one request to add, has published: its listeners, its
 * connections and UDP sessions, and what has become of them. A rule that was
 * removed lives on without listeners for as long as it has connections; its
 * sessions, which could not be replied to, go with its listeners.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "datapath/datapath.h"
#include "forwarder/gate.h"
#include "forwarder/idle.h"
#include "forwarder/listener.h"
#include "forwarder/pair.h"
#include "forwarder/protocol.h"
#include "forwarder/udp_idle.h"
#include "forwarder/udp_listener.h"
#include "rule/spec.h"

struct forwarder;

struct rule {
	TAILQ_ENTRY(rule) entry; /* in forwarder->rules.list, the older first */
	struct forwarder *forwarder;
	uint32_t id;
	struct port_spec spec; /* as it is bound */
	struct datapath_use use;
	bool is_open;	       /* all its listeners came: they are accepted on */
	bool is_removed;
	unsigned int users;    /* of this memory, besides those below */
	uint64_t deadline;     /* of a removed one, CLOCK_MONOTONIC in ms; 0: none */
	struct rule_listeners listeners;
	struct pair_list pairs;
	unsigned long pairs_open;
	struct gate gate;
	struct idle idle;
	struct rule_udp_listeners udp_listeners;
	unsigned int udp_sessions;
	struct udp_pool udp_pool; /* of them, where the rule has a limit of them */
	struct forwarder_counts counts; /* without what `pairs` have moved */
};

TAILQ_HEAD(rule_list, rule);

/* Embedded in the forwarder. */
struct rules {
	struct rule_list list;
	struct loop_source timer;     /* the earliest deadline of all */
	struct forwarder_counts past; /* of rules that are freed */
	uint64_t last_pair;	      /* the id of the latest connection */
};

/* rules_init - Returns 0 or -errno. */
int rules_init(struct forwarder *f);
void rules_done(struct forwarder *f);

/*
 * rule_listen - take over listening or UDP sockets, for @request's rule, which is
 * made when it is new. All or none. Returns 0 or -errno with @err set.
 */
int rule_listen(struct forwarder *f, const struct forwarder_request *request, int *fds,
		size_t n, struct error *err);

struct rule *rule_find(struct forwarder *f, uint32_t id);

/*
 * rule_open - accept on its listeners from now on, within @limits; those that
 * are not given are as of all rules. Returns 0 or -ENOENT.
 */
int rule_open(struct forwarder *f, uint32_t id, const struct limits *limits);
void rules_open(struct forwarder *f);

/*
 * rule_remove - close its listeners, and end its connections, now or later.
 * *ret is how many there were. Returns 0 or -ENOENT.
 */
int rule_remove(struct forwarder *f, const struct forwarder_removal *removal, uint32_t *ret);

/*
 * rules_final - there will be no other rules: connect TCP to the container's ports of these
 * alone, at any address, where the kernel has Landlock for it (Linux 6.7). Beyond
 * RULES_FINAL_PORTS ports it is not bounded.
 */
#define RULES_FINAL_PORTS 256
void rules_final(struct forwarder *f);

/* rules_leave - close all listeners; connections go on for @timeout_ms, 0: not at all. */
void rules_leave(struct forwarder *f, uint32_t timeout_ms);

/* rules_finish - end all connections as pair_finish() does, and all rules. */
void rules_finish(struct forwarder *f);
void rules_stop_listening(struct forwarder *f);

/* rules_finish_some - the same with the connections that @which says. Returns how many. */
uint32_t rules_finish_some(struct forwarder *f,
			   bool (*which)(const struct pair *pair, const void *context),
			   const void *context);

/*
 * rule_pair_new, rule_pair_gone - a connection begins; it has ended.
 * rule_pair_open - the container has answered.
 */
void rule_pair_new(struct rule *rule, struct pair *pair);
void rule_pair_open(struct rule *rule);

/* rule_use - keep it while its connections are ended, until rule_release(). */
void rule_use(struct rule *rule);
void rule_release(struct rule *rule);
void rule_pair_gone(struct rule *rule, struct pair *pair);
