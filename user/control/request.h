/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of the control socket, from text to struct: one JSON object,
 *
 *     {"execute":"add","arguments":{"spec":"8080:80"}}
 *
 *     add     spec (string) or specs (list of strings); limits (object of
 *             numbers or "off"), datapath (string) and freebind (boolean): of
 *             these rules
 *     remove  one of id (number), host_port (number), spec (string);
 *             drain (boolean); timeout (seconds, with drain)
 *     list    none
 *     stats   id (number): of this rule; connections (number): tell of so many
 *     reload  child_ips (list of strings, one of each family at most)
 *     take-over  version; drain_timeout (seconds): see control/take_over.h
 *
 * What is not known is refused, not ignored. Pure; the input is hostile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"
#include "rule/limits.h"
#include "rule/spec.h"

/* The longest request, in bytes, without the line's end. */
#define CONTROL_REQUEST_MAX 65535

#define CONTROL_CONNECTIONS_MAX 10000

/* Seconds, a week. */
#define CONTROL_TIMEOUT_MAX (7 * 24 * 3600)

enum control_execute {
	CONTROL_ADD,
	CONTROL_REMOVE,
	CONTROL_LIST,
	CONTROL_STATS,
	CONTROL_RELOAD,
	CONTROL_TAKE_OVER,
};

struct control_request {
	enum control_execute execute;
	struct port_spec *specs; /* add: owned; remove: one, or none */
	size_t n_specs;
	struct limits limits; /* add: those that are given */
	uint32_t id;	    /* remove, stats; 0: not given */
	uint16_t host_port; /* remove; 0: not given */
	bool drain;	    /* remove */
	uint32_t timeout;   /* in seconds; remove: 0: for ever; take-over: 0: none */
	uint32_t version;	    /* take-over */
	uint32_t connections;	    /* stats */
	struct addr child4, child6; /* reload; AF_UNSPEC: none */
};

/*
 * control_request_parse - Returns 0; -EINVAL with @err set, or -ENOMEM. The
 * request is to be given to control_request_done() on success.
 */
int control_request_parse(const char *text, size_t len, struct control_request *ret,
			  struct error *err);
void control_request_done(struct control_request *request);

const char *control_execute_name(enum control_execute execute);
