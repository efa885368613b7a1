/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram that was sent, and may be sent again: udp_family.h. */
#pragma once

#include <stddef.h>

struct udp_session;

struct udp_kept {
	const struct udp_session *session; /* whose it was; not owned */
	size_t len;
	unsigned char data[];
};

/* udp_kept_new - a copy of @len bytes of @data. Returns what free(3) ends, or NULL. */
struct udp_kept *udp_kept_new(const struct udp_session *session, const void *data, size_t len);
