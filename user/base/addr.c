/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A zone is an interface's name, or its number as in RFC 4007 section 11.2. */
static int zone_parse(const char *zone, uint32_t *ret)
{
	unsigned int index = if_nametoindex(zone);
	unsigned long n;
	char *end;

	if (!index && zone[0] >= '0' && zone[0] <= '9') {
		errno = 0;
		n = strtoul(zone, &end, 10);
		if (!errno && !*end && n && n <= UINT32_MAX)
			index = (unsigned int)n;
	}
	if (!index)
		return -ENODEV;
	*ret = index;
	return 0;
}

static struct addr from_v6(const struct in6_addr *v6, uint32_t scope_id)
{
	struct addr a = { .family = AF_INET6, .v6 = *v6, .scope_id = scope_id };

	if (IN6_IS_ADDR_V4MAPPED(v6)) {
		a = (struct addr){ .family = AF_INET };
		memcpy(&a.v4, &v6->s6_addr[12], sizeof(a.v4));
	}
	return a;
}

int addr_parse(const char *text, struct addr *ret)
{
	struct addr a = { .family = AF_INET };
	char host[INET6_ADDRSTRLEN];
	uint32_t scope_id = 0;
	struct in6_addr v6;
	const char *zone;
	size_t len;
	int r;

	if (inet_pton(AF_INET, text, &a.v4) == 1) {
		*ret = a;
		return 0;
	}
	zone = strchr(text, '%');
	len = zone ? (size_t)(zone - text) : strlen(text);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET6, host, &v6) != 1)
		return -EINVAL;
	if (zone) {
		if (IN6_IS_ADDR_V4MAPPED(&v6))
			return -EINVAL;
		r = zone_parse(zone + 1, &scope_id);
		if (r < 0)
			return r;
	}
	*ret = from_v6(&v6, scope_id);
	return 0;
}

static bool zones_by_number;

void addr_zones_by_number(void)
{
	zones_by_number = true;
}

const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	char zone[IF_NAMESIZE];
	size_t n;

	if (a->family == AF_INET) {
		inet_ntop(AF_INET, &a->v4, buf, ADDR_TEXT_MAX);
	} else if (a->family == AF_INET6) {
		inet_ntop(AF_INET6, &a->v6, buf, ADDR_TEXT_MAX);
		n = strlen(buf);
		if (a->scope_id && !zones_by_number && if_indextoname(a->scope_id, zone))
			snprintf(buf + n, ADDR_TEXT_MAX - n, "%%%s", zone);
		else if (a->scope_id)
			snprintf(buf + n, ADDR_TEXT_MAX - n, "%%%u", a->scope_id);
	} else {
		memcpy(buf, "0.0.0.0", sizeof("0.0.0.0"));
	}
	return buf;
}

const char *addr_format_port(const struct addr *a, uint16_t port,
			     char buf[ADDR_TEXT_MAX])
{
	char host[ADDR_TEXT_MAX];

	addr_format(a, host);
	snprintf(buf, ADDR_TEXT_MAX, a->family == AF_INET6 ? "[%.70s]:%u" : "%.70s:%u",
		 host, port);
	return buf;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	if (a->family == AF_INET6)
		return memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0 &&
		       a->scope_id == b->scope_id;
	return true;
}

bool addr_is_loopback(const struct addr *a)
{
	if (a->family == AF_INET)
		return ntohl(a->v4.s_addr) >> 24 == 127;
	return a->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->v6);
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port,
			   struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_addr = a->v6;
		in6->sin6_scope_id = a->scope_id;
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = a->family == AF_INET ? a->v4.s_addr : INADDR_ANY;
	return sizeof(*in);
}

int addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *ret,
		       uint16_t *ret_port)
{
	struct addr a = { .family = AF_INET };
	uint16_t port;

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		a.v4 = in->sin_addr;
		port = ntohs(in->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		port = ntohs(in6->sin6_port);
		a = from_v6(&in6->sin6_addr, in6->sin6_scope_id);
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = a;
	if (ret_port)
		*ret_port = port;
	return 0;
}
