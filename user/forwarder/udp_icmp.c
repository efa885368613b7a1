/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_icmp.h"

#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "forwarder/forwarder.h"

/* As many as the kernel sends by itself: net.ipv4.icmp_msgs_per_sec. */
#define PER_SECOND 1000

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

static int open_socket(int family, int protocol)
{
	_cleanup_close_ int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &nothing };
	int on = 1;

	/* others' ICMP is nothing for us, whoever takes over this process */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0)
		return -1;
	return TAKE_FD(fd);
}

void udp_icmp_init(struct udp_icmp *icmp)
{
	*icmp = (struct udp_icmp){
		.v4_fd = open_socket(AF_INET, IPPROTO_ICMP),
		.v6_fd = open_socket(AF_INET6, IPPROTO_ICMPV6),
	};
}

void udp_icmp_done(struct udp_icmp *icmp)
{
	icmp->v4_fd = fd_close(icmp->v4_fd);
	icmp->v6_fd = fd_close(icmp->v6_fd);
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
static struct udphdr udp_header(const struct udp_session *s)
{
	return (struct udphdr){
		.source = s->entry.key.client_port,
		.dest = s->listener->port,
		.len = htons(sizeof(struct udphdr)),
	};
}

static void send_v4(int fd, const struct udp_session *s, const struct in6_addr *local,
		    struct udp_to *to)
{
	struct refusal4 r = {
		.icmp = { .type = ICMP_DEST_UNREACH, .code = ICMP_PORT_UNREACH },
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP },
		.udp = udp_header(s),
	};

	r.ip.tot_len = htons(sizeof(r.ip) + sizeof(r.udp));
	memcpy(&r.ip.saddr, &s->entry.key.client.s6_addr[12], 4);
	memcpy(&r.ip.daddr, &local->s6_addr[12], 4);
	r.ip.check = checksum(&r.ip, sizeof(r.ip));
	r.icmp.checksum = checksum(&r, sizeof(r));
	udp_to_send(fd, to, &r, sizeof(r));
}

static void send_v6(int fd, const struct udp_session *s, const struct in6_addr *local,
		    struct udp_to *to)
{
	struct refusal6 r = {
		.icmp = { .icmp6_type = ICMP6_DST_UNREACH, .icmp6_code = ICMP6_DST_UNREACH_NOPORT },
		.ip = {
			.ip6_flow = htonl(6u << 28), /* the version; ip6_vfc excludes ip6_plen */
			.ip6_plen = htons(sizeof(struct udphdr)),
			.ip6_nxt = IPPROTO_UDP,
			.ip6_hlim = 64,
			.ip6_src = s->entry.key.client,
			.ip6_dst = *local,
		},
		.udp = udp_header(s),
	};

	/* the kernel fills in its checksum: raw(7), RFC 3542 section 3.1 */
	udp_to_send(fd, to, &r, sizeof(r));
}

/* Whoever invents senders is not to make us shower others with errors. */
static bool may_send(struct udp_icmp *icmp, uint64_t now_ms)
{
	if (now_ms / 1000 != icmp->second)
		icmp->sent = 0;
	icmp->second = now_ms / 1000;
	return icmp->sent++ < PER_SECOND;
}

void udp_icmp_refused(struct forwarder *f, const struct udp_session *s)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&s->entry.key.client);
	int fd = v4 ? f->udp.icmp.v4_fd : f->udp.icmp.v6_fd;
	struct udp_key key = s->entry.key;
	struct udp_to to;

	if (fd < 0 || !may_send(&f->udp.icmp, f->udp.now))
		return;
	if (IN6_IS_ADDR_UNSPECIFIED(&key.local))
		key.local = s->listener->address;
	/* of a raw socket the port is no port: 0 (raw(7)) */
	key.client_port = 0;
	udp_listener_to(v4 ? AF_INET : AF_INET6, &key, &to);
	(v4 ? send_v4 : send_v6)(fd, s, &key.local, &to);
}
