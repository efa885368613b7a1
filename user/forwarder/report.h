/* SPDX-License-Identifier: Apache-2.0 */
/* What the forwarder tells of itself: counters of rules, open connections. */
#pragma once

#include "forwarder/pair.h"
#include "forwarder/protocol.h"

struct forwarder;

/* report_add - to what is in @to; report_add_pair - what it has moved so far. */
void report_add(struct forwarder_counts *to, const struct forwarder_counts *counts);
void report_add_pair(struct forwarder_counts *to, const struct pair *pair);

/* report_rules, report_connections - a page. */
void report_rules(struct forwarder *f, const struct forwarder_request *request,
		  struct forwarder_reply *reply);
void report_connections(struct forwarder *f, const struct forwarder_request *request,
			struct forwarder_reply *reply);
