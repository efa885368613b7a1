/* SPDX-License-Identifier: Apache-2.0 */
/* The portshunt that is taken over from, as the new one speaks to it: control/take_over.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "control/take_over.h"
#include "control/wait.h"

struct old_one {
	int fd; /* SOCK_SEQPACKET */
	struct control_wait wait; /* for all steps together */
	struct take_over_state state;
};

/* What came with a reply; all of it is released by old_answer_done(). */
struct old_answer {
	struct json *json;
	const struct json *value;
	int fds[TAKE_OVER_BATCH];
	size_t n_fds;
};

void old_answer_done(struct old_answer *a);

/*
 * old_one_open - ask whoever listens at @path to hand over. All steps together take as long as
 * @wait allows, and each TAKE_OVER_STEP_MS. Until it is told
 * that all is done, old_one_close() makes it go on; call that on failure, too.
 * old_one_ask, old_one_tell - one step, and its reply, which is to be released
 * on failure, too; or no more than whether it was done.
 * Return 0, or -errno with @err set: -EREMOTEIO to what the old one says; or what @wait says.
 */
int old_one_open(struct old_one *old, const char *path, uint32_t drain_timeout,
		 const struct control_wait *wait, struct error *err);
int old_one_ask(struct old_one *old, const struct take_over_request *request,
		struct old_answer *ret, struct error *err);
int old_one_tell(struct old_one *old, enum take_over_step step, struct error *err);
void old_one_close(struct old_one *old);
