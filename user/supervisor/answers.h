/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket tells, as JSON: what the forwarder tells, put together. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "control/request.h"
#include "rule/spec.h"

struct supervisor;

/* answer_rule - a rule as it is bound, in podman's names for the parts of a port mapping. */
struct json *answer_rule(uint32_t id, const struct port_spec *bound);
struct json *answer_child_ips(const struct addr *child4, const struct addr *child6);

/* answer_list, answer_stats - Return 0 or -errno with @err set. */
int answer_list(struct supervisor *s, struct json **ret, struct error *err);
int answer_stats(struct supervisor *s, const struct control_request *request,
		 struct json **ret, struct error *err);
