/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/addresses.h"

#include <arpa/inet.h>
#include <errno.h>

static int offset_addr(const struct slirp4netns_options *o, uint32_t offset,
		       const char *what, struct addr *ret, struct error *err)
{
	uint32_t base = ntohl(o->base.s_addr);
	struct addr network = { .family = AF_INET, .v4 = o->base };
	struct addr a = { .family = AF_INET };
	char network_text[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX];

	addr_format(&network, network_text);
	if (base + offset < base)
		return error_set(err, -ERANGE,
				 "calculating expected %s for slirp4netns: integer "
				 "overflow while calculating ip address offset, "
				 "%s + %u",
				 what, network_text, offset);
	a.v4.s_addr = htonl(base + offset);
	/* the network's own bits are all that may be equal in both */
	if (o->prefix && ((base + offset) ^ base) >> (32 - o->prefix))
		return error_set(err, -ERANGE,
				 "calculating expected %s for slirp4netns: "
				 "calculated ip address %s is not within given "
				 "subnet %s/%u",
				 what, addr_format(&a, text), network_text,
				 o->prefix);
	*ret = a;
	return 0;
}

int slirp4netns_addresses(const struct slirp4netns_options *o,
			  struct slirp4netns_addresses *ret, struct error *err)
{
	struct slirp4netns_addresses a = { .prefix = o->prefix };
	int r;

	r = offset_addr(o, 100, "ip", &a.container, err);
	if (r < 0)
		return r;
	r = offset_addr(o, 2, "gateway ip", &a.gateway, err);
	if (r < 0)
		return r;
	r = offset_addr(o, 3, "dns ip", &a.dns, err);
	if (r < 0)
		return r;
	*ret = a;
	return 0;
}
