/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What podman writes to rootlessport's stdin: one JSON object, read as Go's
 * encoding/json reads it into podman's structs. Keys in any case, those that
 * are unknown are ignored, null is what is not there; and a mistake is told in
 * Go's words. Podman 3 wrote the mappings with other keys (hostPort …), one
 * port each; they are read where none of today's is there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

/* 65535 mappings of one port each, for both protocols, are 14 MB. */
#define ROOTLESSPORT_CONFIG_MAX (16 << 20)

struct rootlessport_mapping {
	const char *host_ip;  /* "": every address */
	const char *protocol; /* a list with commas, each tcp, udp, tcp4 … */
	uint16_t container_port, host_port;
	uint16_t range; /* how many ports; 0: none at all */
};

struct rootlessport_config {
	struct json *json; /* owns the strings */
	struct rootlessport_mapping *mappings;
	size_t n_mappings;
	const char *netns_path, *tmpdir, *child_ip, *container_id; /* "": not given */
	int exit_fd, ready_fd;
	bool reloadable; /* RootlessCNI: there is to be a reload socket */
};

/*
 * rootlessport_config_parse - Returns 0, or -EINVAL or -ENOMEM with @err set.
 * Either way rootlessport_config_done() is to follow.
 */
int rootlessport_config_parse(const char *text, size_t len, struct rootlessport_config *ret,
			      struct error *err);
void rootlessport_config_done(struct rootlessport_config *config);
