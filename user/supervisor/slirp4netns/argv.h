/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of slirp4netns, in podman's order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "supervisor/slirp4netns/options.h"
#include "supervisor/slirp4netns/probe.h"

/* Where these pipes are in the child: podman's numbers. */
#define SLIRP4NETNS_EXIT_FD 3
#define SLIRP4NETNS_READY_FD 4

#define SLIRP4NETNS_ARGV_MAX 24

struct slirp4netns_argv {
	char *v[SLIRP4NETNS_ARGV_MAX]; /* NULL-terminated, owned */
	size_t n;
};

/* What the command line is made of, besides the options. */
struct slirp4netns_launch {
	const char *path; /* argv[0] */
	bool sandbox;
	const char *api_path;	/* NULL: no API socket */
	const char *netns_path; /* NULL: by @pid */
	pid_t pid;
};

/*
 * slirp4netns_argv_init - Flags that the binary lacks are dropped where
 * podman drops them (slirp4netns.c warns of those that keep it in) and refused
 * where it refuses ("cidr not supported").
 * Returns 0, -EOPNOTSUPP, -EINVAL or -ENOMEM; on failure nothing is held.
 */
int slirp4netns_argv_init(struct slirp4netns_argv *a,
			  const struct slirp4netns_launch *launch,
			  const struct slirp4netns_options *o,
			  const struct slirp4netns_features *features,
			  struct error *err);
void slirp4netns_argv_done(struct slirp4netns_argv *a);
