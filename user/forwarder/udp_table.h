/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which session does a datagram belong to? A hash table that grows with what
 * is in it, keyed with a secret: clients choose their addresses and ports.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* Compared as bytes: no padding, and zeros where nothing is said. */
struct udp_key {
	struct in6_addr client; /* IPv4 as ::ffff:1.2.3.4 */
	struct in6_addr local;	/* what the client sent to; ::, when there is one only */
	uint32_t scope;		/* interface of a link-local address, else 0 */
	in_port_t client_port;	/* network order */
	uint16_t unused;
	uint64_t listener;
};

_Static_assert(sizeof(struct udp_key) == 48, "no padding");

struct udp_entry {
	struct udp_entry *next;
	uint32_t hash;
	struct udp_key key;
};

struct udp_table {
	struct udp_entry **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
	uint64_t secret[2];
};

/* udp_table_init - nothing is allocated before the first entry. */
void udp_table_init(struct udp_table *t, const uint64_t secret[2]);

/* udp_table_done - the entries are their owners'. */
void udp_table_done(struct udp_table *t);

/* udp_table_find - the entry with @key, or NULL. */
struct udp_entry *udp_table_find(const struct udp_table *t, const struct udp_key *key);

/*
 * udp_table_insert - @entry's key is set and not in the table. Returns 0, or
 * -ENOMEM when there is no room at all; too little only makes it slower.
 */
int udp_table_insert(struct udp_table *t, struct udp_entry *entry);

/*
 * udp_table_page - up to @max of the entries, from *place on, which is 0 at
 * first, and 0 again after the last of them. None is told twice, and none left out, while
 * nothing is inserted. Returns how many.
 */
size_t udp_table_page(const struct udp_table *t, uint32_t *place, struct udp_entry **ret,
		      size_t max);

/* udp_table_remove - @entry is in the table. */
void udp_table_remove(struct udp_table *t, struct udp_entry *entry);
