/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another portshunt takes over from this one: it is given the listeners, and
 * this one leaves once its connections have ended. See control/take_over.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "control/request.h"

struct supervisor;

struct hand_over {
	struct loop_source source; /* the socket to the taker; fd is -1: there is none */
	struct loop_source timer;  /* its next word has to come until then */
	uint64_t end;		   /* and its last until then, as timer_now() */
	bool is_paused;
	bool is_done; /* the other one has it all */
	uint32_t drain_timeout;
};

void hand_over_init(struct hand_over *h);
void hand_over_end(struct hand_over *h);

/*
 * hand_over_begin - answer a request to take over: *ret_fd is the taker's end of
 * a socket. Returns 0 or -errno with @err set.
 */
int hand_over_begin(struct supervisor *s, const struct control_request *request,
		    struct json **ret, int *ret_fd, struct error *err);

/* hand_over_check - whether the rules may be changed. Returns 0, or -EBUSY with @err set. */
int hand_over_check(const struct supervisor *s, struct error *err);
