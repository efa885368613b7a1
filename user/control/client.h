/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: what portshunt's own commands ask. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "control/wait.h"

/*
 * control_ask - one request, which is given up after a minute. *ret_text is the
 * reply, a line without its end, as soon as there is one, also when it is an error;
 * the caller frees it. *ret is the value of "return" in *ret_json, which the caller
 * frees. Returns 0 or -errno with @err set, to what the other end says if it does.
 */
int control_ask(const char *path, const struct json *request, char **ret_text,
		struct json **ret_json, const struct json **ret, struct error *err);

/*
 * control_ask_fd - the same, for a reply that has a descriptor with it: *ret_fd,
 * which belongs to the caller, or -1. All of it takes as long as @wait allows.
 */
int control_ask_fd(const char *path, const struct json *request,
		   const struct control_wait *wait, int *ret_fd, struct json **ret_json,
		   const struct json **ret, struct error *err);

/* control_read_reply - what control_ask() makes of the text of a reply. */
int control_read_reply(const char *text, size_t len, struct json **ret_json,
		       const struct json **ret, struct error *err);
