/* SPDX-License-Identifier: Apache-2.0 */
/* Which slirp4netns is there, and what it can do. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"

/* The flags that a version may lack; read from its --help as podman does. */
struct slirp4netns_features {
	bool disable_host_loopback;
	bool mtu;
	bool enable_sandbox;
	bool enable_seccomp;
	bool cidr;
	bool outbound_addr;
	bool enable_ipv6;
};

/*
 * slirp4netns_find - the program to run: @configured when not NULL (looked up
 * in PATH when it holds no slash), else slirp4netns in PATH. Relative entries
 * of PATH are passed over. Returns 0, -ENOENT or -ENAMETOOLONG.
 */
int slirp4netns_find(const char *configured, char ret_path[PATH_MAX],
		     struct error *err);

/*
 * slirp4netns_probe - run `@path --help`, which must end with status 0 within
 * some seconds, and look for the flags in what it prints. Returns 0 or
 * -errno; *ret is untouched on failure.
 */
int slirp4netns_probe(const char *path, struct slirp4netns_features *ret,
		      struct error *err);
