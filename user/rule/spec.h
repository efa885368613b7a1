/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What -p says: which ports of the container appear on which address and
 * ports of the host. Text to struct and back; no sockets here.
 *
 *     [[HOST_ADDR:][HOST_PORT[-END]]:]CONTAINER_PORT[-END][/PROTO]
 *
 * The reading is podman's (4.3 to 6.0) wherever podman and Docker differ:
 *
 *     80                a free host port
 *     :80               the same
 *     127.0.0.1::80     a free port of that address
 *     ::80, :8080:80    refused: an address that is there may not be empty
 *     0:80              refused: port 0; a free port is an empty one
 *     80-82             three neighbours on free host ports
 *     8000-8002:80      refused: lengths differ (Docker picks one of three)
 *     80-80, 82-80      refused: a range increases
 *     ::1:8080:80       refused: IPv6 is written in brackets
 *     [1.2.3.4]:80:80   accepted, as is [::ffff:1.2.3.4]: both are IPv4
 *     008080:80         accepted, decimal
 *     80/TCP            accepted: PROTO is tcp or udp in any case
 *     80/               refused: an empty protocol
 *
 * Ours alone: "tcp,udp"; a link-local host address with its %zone, since no
 * socket can be bound to one without; and an interface, as pasta writes it:
 *
 *     %eth0:8080:80            every address, through this interface only
 *     10.0.0.1%eth0:8080:80    this address, likewise
 *     [2001:db8::1%eth0]:8080:80
 *     [fe80::1%eth0]:8080:80   the address's zone, which says the same
 *
 * Refused although podman lets it
 * pass: a sign ("+80", as Docker), sctp, a protocol twice, and a link-local
 * address without a zone.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

enum { PROTO_TCP = 1, PROTO_UDP = 2 };

struct port_spec {
	struct addr host_addr;	 /* AF_UNSPEC: every address of the host */
	char device[IFNAMSIZ];	 /* the interface, "": any; a link-local address has a zone instead */
	uint16_t host_port;	 /* the first of the range; 0: free ones */
	uint16_t container_port; /* the first of the range */
	uint32_t count;		 /* ports in the range, 1 to 65535 */
	unsigned int protos;	 /* PROTO_* bits, at least one */
	uint8_t datapath;	 /* enum datapath, of tcp; not in the text: --rule-datapath */
	bool freebind;		 /* the address may come later; likewise: --freebind */
};

/* The longest text that is read at all, in bytes without the NUL. */
#define SPEC_TEXT_MAX 512

/* Room for what spec_format() writes, NUL included. */
#define SPEC_FORMAT_MAX 128

/*
 * spec_parse - with no datapath of its own. Returns 0, or -EINVAL with one line in @err that quotes the
 * whole text, names the part and its value, and says why. *ret is untouched
 * on failure. The ranges of the result end at 65535 at most.
 */
int spec_parse(const char *text, struct port_spec *ret, struct error *err);

/*
 * spec_format - the spec as text that spec_parse() reads as the same spec;
 * the protocol is always there: "8080:80/tcp". Returns @buf, cut short when
 * @size is less than SPEC_FORMAT_MAX and the text needs it.
 */
const char *spec_format(const struct port_spec *spec, char *buf, size_t size);

/* Room for what spec_format_host() writes, NUL included. */
#define SPEC_HOST_MAX (ADDR_TEXT_MAX + IFNAMSIZ)

/*
 * spec_format_host - "0.0.0.0:8080" or "[::1]:8080" as addr_format_port(), with the interface
 * where there is one: "%eth0:8080", "10.0.0.1%eth0:8080", "[2001:db8::1%eth0]:8080". Returns @buf.
 */
const char *spec_format_host(const struct port_spec *spec, uint16_t port, char buf[SPEC_HOST_MAX]);

/* spec_same_host - are address and interface the same? */
bool spec_same_host(const struct port_spec *a, const struct port_spec *b);

/* spec_device_is_valid - may an interface be named that? @name need not end with a NUL. */
bool spec_device_is_valid(const char name[IFNAMSIZ]);

/*
 * spec_overlaps - whether opening @b after @a must fail because both want the
 * same port and protocol of one address. A wildcard clashes with every
 * address of its family (0.0.0.0 and 127.0.0.1: EADDRINUSE), no address at
 * all with both families; 0.0.0.0 and :: live side by side, and so do two
 * interfaces. Free ports never clash.
 */
bool spec_overlaps(const struct port_spec *a, const struct port_spec *b);
