/* SPDX-License-Identifier: Apache-2.0 */
/* What is a rule's own, as JSON: limits, {"connections":100,"idle_timeout":"off"}, and a datapath. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "rule/limits.h"
#include "rule/spec.h"

/* limits_json - those that are given; the caller frees it. */
struct json *limits_json(const struct limits *limits);

/*
 * limits_read - those that the member "limits" of @object gives, if there is one. Returns
 * 0, or -EINVAL with @err set.
 */
int limits_read(const struct json *object, struct limits *ret, struct error *err);

/*
 * datapath_add_json - the member "datapath" of @object, unless @spec has none of its own.
 * datapath_read - that member for all @n @specs, if there is one. Returns 0, or -EINVAL with
 * @err set.
 */
void datapath_add_json(struct json *object, const struct port_spec *spec);
int datapath_read(const struct json *object, struct port_spec *specs, size_t n, struct error *err);
