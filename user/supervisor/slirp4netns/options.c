/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/goquote.h"

/* Podman's own choice: a tap device carries what it is told to. */
#define MTU_DEFAULT 65520
/* The least that every IPv4 host takes (RFC 791), and podman's limit. */
#define MTU_MIN 68

void slirp4netns_options_init(struct slirp4netns_options *o)
{
	*o = (struct slirp4netns_options){
		.port_handler = SLIRP4NETNS_PORTS_OURS,
		.enable_ipv6 = true,
		.mtu = MTU_DEFAULT,
		.base.s_addr = htonl(0x0a000200), /* 10.0.2.0 */
		.prefix = 24,
	};
}

static int number_parse(const char *text, int min, int max, int *ret)
{
	const char *digits = text + (text[0] == '+' || text[0] == '-');
	long n;

	if (!digits[0] || digits[strspn(digits, "0123456789")])
		return -EINVAL;
	errno = 0;
	n = strtol(text, NULL, 10);
	if (errno || n < min || n > max)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

static int bool_parse(const char *text, bool *ret)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return -EINVAL;
	*ret = text[0] == 't';
	return 0;
}

static int set_cidr(struct slirp4netns_options *o, const char *value)
{
	char text[sizeof(o->cidr)];
	size_t len = strlen(value);
	struct in_addr base;
	int prefix;
	char *slash;

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, len + 1);
	slash = strchr(text, '/');
	if (!slash || slash[1] == '+' || slash[1] == '-')
		return -EINVAL;
	*slash = '\0';
	if (inet_pton(AF_INET, text, &base) != 1 ||
	    number_parse(slash + 1, 0, 32, &prefix) < 0)
		return -EINVAL;

	if (prefix < 32)
		base.s_addr &= htonl(~(UINT32_MAX >> prefix));
	o->base = base;
	o->prefix = (unsigned)prefix;
	memcpy(o->cidr, value, len + 1);
	return 0;
}

static int set_port_handler(struct slirp4netns_options *o, const char *value)
{
	if (strcmp(value, "slirp4netns") == 0)
		o->port_handler = SLIRP4NETNS_PORTS_API;
	else if (strcmp(value, "rootlesskit") == 0)
		o->port_handler = SLIRP4NETNS_PORTS_OURS;
	else
		return -EINVAL;
	return 0;
}

static int set_allow_host_loopback(struct slirp4netns_options *o,
				   const char *value)
{
	return bool_parse(value, &o->allow_host_loopback);
}

static int set_enable_ipv6(struct slirp4netns_options *o, const char *value)
{
	return bool_parse(value, &o->enable_ipv6);
}

static int outbound(const char *value, int family, char *ret, size_t size)
{
	size_t len = strlen(value);
	struct in6_addr addr;

	if (len >= size)
		return -EINVAL;
	/* an IPv4 address in IPv6 clothes is none of IPv6, podman says too */
	if ((inet_pton(family, value, &addr) != 1 ||
	     (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr))) &&
	    !if_nametoindex(value))
		return -EINVAL;
	memcpy(ret, value, len + 1);
	return 0;
}

static int set_outbound_addr(struct slirp4netns_options *o, const char *value)
{
	return outbound(value, AF_INET, o->outbound_addr,
			sizeof(o->outbound_addr));
}

static int set_outbound_addr6(struct slirp4netns_options *o, const char *value)
{
	return outbound(value, AF_INET6, o->outbound_addr6,
			sizeof(o->outbound_addr6));
}

static int set_mtu(struct slirp4netns_options *o, const char *value)
{
	return number_parse(value, MTU_MIN, INT_MAX, &o->mtu);
}

static const struct {
	const char *key;
	int (*set)(struct slirp4netns_options *o, const char *value);
	const char *refusal; /* the quoted value follows */
} OPTIONS[] = {
	{ "cidr", set_cidr, "invalid cidr" },
	{ "port_handler", set_port_handler,
	  "unknown port_handler for slirp4netns:" },
	{ "allow_host_loopback", set_allow_host_loopback,
	  "invalid value of allow_host_loopback for slirp4netns:" },
	{ "enable_ipv6", set_enable_ipv6,
	  "invalid value of enable_ipv6 for slirp4netns:" },
	{ "outbound_addr", set_outbound_addr, "invalid outbound_addr" },
	{ "outbound_addr6", set_outbound_addr6, "invalid outbound_addr6:" },
	{ "mtu", set_mtu, "invalid mtu" },
};

static int refuse(struct error *err, const char *refusal, const char *text)
{
	char quoted[256];

	goquote(text, strlen(text), quoted, sizeof(quoted));
	return error_set(err, -EINVAL, "%s %s", refusal, quoted);
}

static int option_set(struct slirp4netns_options *o, const char *option,
		      struct error *err)
{
	size_t len = strcspn(option, "=");

	for (size_t i = 0; option[len] && i < sizeof(OPTIONS) / sizeof(OPTIONS[0]);
	     i++) {
		if (strlen(OPTIONS[i].key) != len ||
		    memcmp(OPTIONS[i].key, option, len) != 0)
			continue;
		if (OPTIONS[i].set(o, option + len + 1) < 0)
			return refuse(err, OPTIONS[i].refusal, option + len + 1);
		return 0;
	}
	return refuse(err, "unknown option for slirp4netns:", option);
}

int slirp4netns_options_parse(struct slirp4netns_options *o, const char *text,
			      struct error *err)
{
	struct slirp4netns_options result = *o;
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy;
	char *option;
	int r;

	if (!copy)
		return error_errno(err, -ENOMEM, "slirp4netns options");
	while ((option = strsep(&rest, ","))) {
		r = option_set(&result, option, err);
		if (r < 0)
			return r;
	}
	*o = result;
	return 0;
}
