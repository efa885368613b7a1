/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of `--network slirp4netns:KEY=VALUE,…`: podman's keys, values,
 * defaults and messages.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "base/error.h"

enum slirp4netns_port_handler {
	SLIRP4NETNS_PORTS_OURS, /* "rootlesskit": our own forwarder */
	SLIRP4NETNS_PORTS_API,	/* "slirp4netns": its API socket */
};

/* A plain value: copied freely, nothing to release. */
struct slirp4netns_options {
	enum slirp4netns_port_handler port_handler;
	bool allow_host_loopback;
	bool enable_ipv6;
	int mtu;
	char cidr[INET_ADDRSTRLEN + 3]; /* as given; "" for slirp4netns' own */
	struct in_addr base;		/* of the cidr, host bits cleared */
	unsigned prefix;
	/* an address or an interface name; "" when not given */
	char outbound_addr[INET_ADDRSTRLEN];
	char outbound_addr6[INET6_ADDRSTRLEN];
};

_Static_assert(INET_ADDRSTRLEN >= IF_NAMESIZE, "an interface name fits");

/* slirp4netns_options_init - podman's defaults, IPv6 on. */
void slirp4netns_options_init(struct slirp4netns_options *o);

/*
 * slirp4netns_options_parse - "KEY=VALUE[,KEY=VALUE…]" on top of what @o
 * holds: the later value wins. Interface names are looked up in the network
 * namespace of the caller. Returns 0, -EINVAL or -ENOMEM; @o is untouched on
 * failure.
 */
int slirp4netns_options_parse(struct slirp4netns_options *o, const char *text,
			      struct error *err);
