/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that slirp4netns gives out of its network. */
#pragma once

#include "base/addr.h"
#include "base/error.h"
#include "supervisor/slirp4netns/options.h"

struct slirp4netns_addresses {
	struct addr container; /* network + 100 */
	struct addr gateway;   /* network + 2 */
	struct addr dns;       /* network + 3 */
	unsigned prefix;
};

/*
 * slirp4netns_addresses - those that @o leads to (the offsets are fixed in
 * slirp4netns, see slirp4netns(1)). Returns 0 or -ERANGE; *ret is untouched
 * on failure.
 */
int slirp4netns_addresses(const struct slirp4netns_options *o,
			  struct slirp4netns_addresses *ret,
			  struct error *err);
