/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --take-over: this portshunt gets the rules and the listeners of one that runs.
 *
 * A -p of the command line is a rule of the old one, whose listeners it gets,
 * when it is the same or has the same host ports; other -p are new; and rules
 * of the old one that the command line does not name are carried over as they are,
 * above all those that were added by its control socket. Rules keep their numbers.
 */
#pragma once

#include "base/error.h"
#include "forwarder/protocol.h"

struct supervisor;

/*
 * take_over_open_control - find the old one, and open this one's own control
 * socket, if it has one with another name. Returns 0 or -errno with @err set.
 */
int take_over_open_control(struct supervisor *s, struct error *err);

/*
 * take_over - once the helpers run: get everything from the old one, tell the
 * forwarder to @start, and the old one to leave. On failure the old one goes
 * on as if nothing had been. Returns 0, -errno with @err set, or -ECANCELED as in
 * supervisor.h.
 */
int take_over(struct supervisor *s, struct forwarder_request *start, struct error *err);
