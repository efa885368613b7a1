/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as JSON: {"connections":100,"idle_timeout":"off"} */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "rule/limits.h"

/* limits_json - those that are given; the caller frees it. */
struct json *limits_json(const struct limits *limits);

/*
 * limits_read - those that the member "limits" of @object gives, if there is one. Returns
 * 0, or -EINVAL with @err set.
 */
int limits_read(const struct json *object, struct limits *ret, struct error *err);
