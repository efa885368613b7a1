/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/icmp_protocol.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>

/* RFC 792: the error, then the header of the datagram and 8 bytes after it. */
struct refusal4 {
	struct icmphdr icmp;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed, aligned(4)));

/* RFC 4443 section 3.1 */
struct refusal6 {
	struct icmp6_hdr icmp;
	struct ip6_hdr ip;
	struct udphdr udp;
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct refusal4) <= ICMP_PACKET_MAX, "it fits");
_Static_assert(sizeof(struct refusal6) == ICMP_PACKET_MAX, "it fits");

static in_addr_t v4_of(const struct in6_addr *mapped)
{
	in_addr_t v4;

	memcpy(&v4, &mapped->s6_addr[12], sizeof(v4));
	return v4;
}

/* RFC 1122 section 3.2.2, RFC 4443 section 2.4: no errors for what is not one host. */
static bool is_one_host(const struct in6_addr *a)
{
	in_addr_t v4 = ntohl(v4_of(a));

	if (IN6_IS_ADDR_V4MAPPED(a))
		return v4 >> IN_CLASSA_NSHIFT && !IN_MULTICAST(v4) && v4 != INADDR_BROADCAST;
	return !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_UNSPECIFIED(a);
}

static bool is_any(const struct in6_addr *a)
{
	return IN6_IS_ADDR_UNSPECIFIED(a) || (IN6_IS_ADDR_V4MAPPED(a) && !v4_of(a));
}

static bool is_refusal(const struct icmp_refusal *r)
{
	bool is_same_family = IN6_IS_ADDR_V4MAPPED(&r->client) == IN6_IS_ADDR_V4MAPPED(&r->local);

	if (!r->client_port || !r->local_port || !is_one_host(&r->client))
		return false;
	/* a socket that takes both families knows no address of its own in either */
	if (!IN6_IS_ADDR_UNSPECIFIED(&r->local) && !is_same_family)
		return false;
	if (!is_any(&r->local) && !is_one_host(&r->local))
		return false;
	return !r->scope || IN6_IS_ADDR_LINKLOCAL(&r->client) || IN6_IS_ADDR_LINKLOCAL(&r->local);
}

int icmp_refusal_decode(const void *data, size_t len, struct icmp_refusal *ret)
{
	struct icmp_refusal r;

	if (len != sizeof(r))
		return -EBADMSG;
	memcpy(&r, data, sizeof(r));
	if (!is_refusal(&r))
		return -EBADMSG;
	*ret = r;
	return 0;
}

/* RFC 1071 */
static uint16_t checksum(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t sum = 0;
	uint16_t word;

	for (; len > 1; len -= 2, p += 2) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* What the client sent, as far as it matters: from where to where. */
static struct udphdr udp_header(const struct icmp_refusal *r)
{
	return (struct udphdr){
		.source = r->client_port,
		.dest = r->local_port,
		.len = htons(sizeof(struct udphdr)),
	};
}

static size_t packet4(const struct icmp_refusal *r, unsigned char *packet)
{
	struct refusal4 p = {
		.icmp = { .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH },
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP },
		.udp = udp_header(r),
	};

	p.ip.tot_len = htons(sizeof(p.ip) + sizeof(p.udp));
	p.ip.saddr = v4_of(&r->client);
	p.ip.daddr = v4_of(&r->local);
	p.ip.check = checksum(&p.ip, sizeof(p.ip));
	p.icmp.checksum = checksum(&p, sizeof(p));
	memcpy(packet, &p, sizeof(p));
	return sizeof(p);
}

static size_t packet6(const struct icmp_refusal *r, unsigned char *packet)
{
	struct refusal6 p = {
		.icmp = { .icmp6_type = ICMP6_DST_UNREACH, .icmp6_code = ICMP6_DST_UNREACH_NOPORT },
		.ip = {
			.ip6_flow = htonl(6u << 28), /* the version; ip6_vfc excludes ip6_plen */
			.ip6_plen = htons(sizeof(struct udphdr)),
			.ip6_nxt = IPPROTO_UDP,
			.ip6_hlim = 64,
			.ip6_src = r->client,
			.ip6_dst = r->local,
		},
		.udp = udp_header(r),
	};

	/* the kernel fills in its checksum: raw(7), RFC 3542 section 3.1 */
	memcpy(packet, &p, sizeof(p));
	return sizeof(p);
}

size_t icmp_refusal_packet(const struct icmp_refusal *r, unsigned char packet[ICMP_PACKET_MAX])
{
	return IN6_IS_ADDR_V4MAPPED(&r->client) ? packet4(r, packet) : packet6(r, packet);
}

bool icmp_may_send(struct icmp_rate *rate, uint64_t now_ms)
{
	if (now_ms / 1000 != rate->second)
		rate->sent = 0;
	rate->second = now_ms / 1000;
	return rate->sent++ < ICMP_PER_SECOND;
}
