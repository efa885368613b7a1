/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of slirp4netns' API socket: text to struct. Pure; the input is hostile. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "supervisor/slirp4netns/api.h"

/*
 * api_reply_parse - *ret is an object without "error", which the caller frees. Returns 0;
 * -EREMOTEIO with what slirp4netns says in @err; -EINVAL or -ENOMEM.
 */
int api_reply_parse(const char *text, size_t len, struct json **ret, struct error *err);

/* api_reply_id - of the forwarding that was added, 0 to INT32_MAX; -1: the reply names none. */
int64_t api_reply_id(const struct json *reply);

/* api_reply_hostfwds - *ret (freed by the caller) and *ret_n. Returns 0, -EINVAL or -ENOMEM. */
int api_reply_hostfwds(const struct json *reply, struct slirp4netns_hostfwd **ret,
		       size_t *ret_n, struct error *err);
