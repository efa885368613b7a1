/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that are published now, each as it was asked for and as it is bound. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "control/request.h"
#include "rule/limits.h"
#include "rule/spec.h"

struct published {
	uint32_t id; /* never used twice */
	struct port_spec asked, bound;
	struct limits limits; /* of its own, as add has given them */
};

/* Zeroed: empty. */
struct published_list {
	struct published *list;
	size_t n, room;
	uint32_t last_id;
};

/*
 * published_reserve - that so many can be added, and have numbers. Returns 0, or -ENOMEM or
 * -EOVERFLOW with @err set.
 * published_add - one that has room, with the host port that it got, and with limits of
 * its own or NULL; its id is s->last_id + 1. Valid until the next change.
 */
int published_reserve(struct published_list *s, size_t n, struct error *err);
const struct published *published_add(struct published_list *s, const struct port_spec *asked,
				      uint16_t host_port, const struct limits *limits);
/* published_insert - one that has its number already, with the same room needed. */
void published_insert(struct published_list *s, const struct published *p);
void published_done(struct published_list *s);

/*
 * published_find - the one rule that a request to remove names. Returns its
 * index, or -ENOENT with @err set, also when it could be several.
 */
int published_find(const struct published_list *s, const struct control_request *request,
		   struct error *err);
void published_remove(struct published_list *s, size_t i);

/* published_check - whether @spec can be added. Returns 0, or -EADDRINUSE with @err set. */
int published_check(const struct published_list *s, const struct port_spec *spec,
		    struct error *err);
