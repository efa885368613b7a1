/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: what portshunt's own commands ask. */
#pragma once

#include "base/error.h"
#include "base/json.h"

/*
 * control_ask - one request. *ret_text is the reply, a line without its end,
 * as soon as there is one, also when it is an error; the caller frees it.
 * *ret is the value of "return" in *ret_json, which the caller frees.
 * Returns 0 or -errno with @err set, to what the other end says if it does.
 */
int control_ask(const char *path, const struct json *request, char **ret_text,
		struct json **ret_json, const struct json **ret, struct error *err);
