/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a connection goes from splice to the shunt, and what the shunt needs
 * from then on: datapath/shunt.h says how, this says when.
 */
#pragma once

#include "forwarder/pair.h"

struct forwarder;

/* capture_init - Returns 0 or -errno. */
int capture_init(struct forwarder *f);

/*
 * capture_consider - after a pair was served: have the sender of a direction
 * captured that has carried enough. At once for a client of this network
 * namespace; through the netns child for the container, which tells later.
 */
void capture_consider(struct pair *pair);

/*
 * capture_tell - an enum shunt_capture or -errno of "client" or "container":
 * log why not, not too often.
 */
void capture_tell(struct forwarder *f, const char *who, int result);

/* capture_summary - at the end of a pair, for the debug log. */
void capture_summary(const struct pair *pair);
