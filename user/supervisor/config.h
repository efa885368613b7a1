/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `attach` were asked to do: options, parsed and checked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "forwarder/protocol.h"
#include "rule/spec.h"
#include "supervisor/slirp4netns/options.h"

struct config {
	char **command; /* run: NULL-terminated; NULL: attach */

	struct port_spec *specs; /* owned */
	size_t n_specs;

	bool slirp4netns; /* --network slirp4netns */
	struct slirp4netns_options slirp4netns_options;
	const char *slirp4netns_path; /* NULL: found in PATH */
	bool no_pivot_root;
	const char *tmpdir; /* NULL: the default */
	const char *id;	    /* NULL: made from the process id */
	const char *control; /* the path of the control socket; NULL: none */
	bool control_from_command; /* run: COMMAND may use it, too */
	const char *take_over; /* attach: the control socket of another; NULL: of none */
	uint32_t drain_timeout; /* seconds */

	enum datapath datapath;
	enum datapath rule_datapath; /* while options are read: of the next -p */
	bool wants_spec;	     /* likewise: no -p has followed it */
	bool freebind;		     /* likewise: of all of them */
	struct udp_limits udp;
	struct limits all_limits, rule_limits;
	struct addr child4, child6; /* AF_UNSPEC: not given */

	int ready_fd, exit_fd; /* -1: not given */
	enum log_level log_level;
	bool log_json;

	const char *netns_path; /* attach; NULL: of pid */
	pid_t pid;		/* attach; 0: not given */
};
