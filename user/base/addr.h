/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses without ports, and their meeting with struct sockaddr. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
	sa_family_t family; /* AF_INET, AF_INET6, or AF_UNSPEC: none given */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	uint32_t scope_id; /* of a link-local IPv6 address, else 0 */
};

/* "[" + 45 characters of IPv6 + "%" + interface name + "]:65535" + NUL */
#define ADDR_TEXT_MAX 80

/*
 * addr_parse - an IPv4 or IPv6 address in text, IPv6 without brackets and
 * with an optional %zone (interface name or number). Returns 0, -EINVAL, or
 * -ENODEV when the zone names no interface. *ret is untouched on failure.
 */
int addr_parse(const char *text, struct addr *ret);

/* addr_format - as inet_ntop(3), with %scope where there is one. Returns buf. */
const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX]);

/*
 * addr_zones_by_number - print zones as numbers from now on: if_indextoname(3) opens a socket,
 * which the filter of this process does not allow.
 */
void addr_zones_by_number(void);

/*
 * addr_format_port - "1.2.3.4:80" or "[::1]:80", as Go's net.JoinHostPort;
 * AF_UNSPEC prints as 0.0.0.0, which is how podman and docker name it.
 */
const char *addr_format_port(const struct addr *a, uint16_t port,
			     char buf[ADDR_TEXT_MAX]);

bool addr_equal(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);

/* addr_to_sockaddr - port in host order. Returns the length to use. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port,
			   struct sockaddr_storage *ret);

/*
 * addr_from_sockaddr - the address and the port (host order) of an AF_INET
 * or AF_INET6 sockaddr; an IPv4-mapped IPv6 address becomes IPv4.
 * Returns 0 or -EAFNOSUPPORT. @ret_port may be NULL.
 */
int addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *ret,
		       uint16_t *ret_port);
