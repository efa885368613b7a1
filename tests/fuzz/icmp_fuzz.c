/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a forwarder says to the ICMP child: whatever it is, a packet that comes of it is "port
 * unreachable" with the header of one UDP datagram.
 */
#include <errno.h>
#include <string.h>

#include "forwarder/icmp_protocol.h"
#include "fuzz/fuzz.h"

static void check_packet4(const unsigned char *p, size_t len)
{
	CHECK(len == 8 + 20 + 8 && p[0] == 3 && p[1] == 3);
	CHECK(p[8] == 0x45 && p[8 + 9] == IPPROTO_UDP);
	/* whom it goes to: neither this network, nor many hosts */
	CHECK(p[20] && (p[20] < 224 || p[20] > 239));
}

static void check_packet6(const unsigned char *p, size_t len)
{
	CHECK(len == 8 + 40 + 8 && p[0] == 1 && p[1] == 4);
	CHECK(p[8] == 0x60 && p[8 + 6] == IPPROTO_UDP);
	CHECK(p[16] != 0xff && p[32] != 0xff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct icmp_refusal r = { .scope = 99, .client_port = 99 };
	unsigned char packet[ICMP_PACKET_MAX];
	int result = icmp_refusal_decode(data, size, &r);
	size_t len;

	CHECK(result == 0 || (result == -EBADMSG && r.scope == 99 && r.client_port == 99));
	if (result < 0)
		return 0;
	CHECK(size == sizeof(r) && memcmp(&r, data, size) == 0);
	CHECK(r.client_port && r.local_port);
	len = icmp_refusal_packet(&r, packet);
	if (IN6_IS_ADDR_V4MAPPED(&r.client))
		check_packet4(packet, len);
	else
		check_packet6(packet, len);
	return 0;
}
