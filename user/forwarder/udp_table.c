/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/udp_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

static inline uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/*
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") over
 * whole words of a fixed number, so without the length at the end.
 */
static uint32_t hash_of(const struct udp_table *t, const struct udp_key *key)
{
	uint64_t words[sizeof(*key) / 8], v[4] = {
		t->secret[0] ^ 0x736f6d6570736575, t->secret[1] ^ 0x646f72616e646f6d,
		t->secret[0] ^ 0x6c7967656e657261, t->secret[1] ^ 0x7465646279746573,
	};

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	v[0] ^= v[1] ^ v[2] ^ v[3];
	return (uint32_t)(v[0] ^ v[0] >> 32);
}

void udp_table_init(struct udp_table *t, const uint64_t secret[2])
{
	*t = (struct udp_table){ .secret = { secret[0], secret[1] } };
}

void udp_table_done(struct udp_table *t)
{
	free(t->buckets);
	t->buckets = NULL;
	t->n_buckets = t->n = 0;
}

static struct udp_entry **bucket_of(const struct udp_table *t, uint32_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

static void grow(struct udp_table *t)
{
	size_t n_old = t->n_buckets, n_new = n_old ? 2 * n_old : FIRST_BUCKETS;
	struct udp_entry **old = t->buckets, **buckets, *entry, *next, **bucket;

	buckets = calloc(n_new, sizeof(*buckets));
	if (!buckets)
		return;
	t->buckets = buckets;
	t->n_buckets = n_new;
	for (size_t i = 0; i < n_old; i++) {
		for (entry = old[i]; entry; entry = next) {
			next = entry->next;
			bucket = bucket_of(t, entry->hash);
			entry->next = *bucket;
			*bucket = entry;
		}
	}
	free(old);
}

struct udp_entry *udp_table_find(const struct udp_table *t, const struct udp_key *key)
{
	uint32_t hash = hash_of(t, key);
	struct udp_entry *entry;

	if (!t->n)
		return NULL;
	for (entry = *bucket_of(t, hash); entry; entry = entry->next)
		if (entry->hash == hash && memcmp(&entry->key, key, sizeof(*key)) == 0)
			return entry;
	return NULL;
}

int udp_table_insert(struct udp_table *t, struct udp_entry *entry)
{
	struct udp_entry **bucket;

	if (t->n >= t->n_buckets)
		grow(t);
	if (!t->n_buckets)
		return -ENOMEM;
	entry->hash = hash_of(t, &entry->key);
	bucket = bucket_of(t, entry->hash);
	entry->next = *bucket;
	*bucket = entry;
	t->n++;
	return 0;
}

size_t udp_table_page(const struct udp_table *t, uint32_t *place, struct udp_entry **ret,
		      size_t max)
{
	size_t n = 0, first;

	for (size_t i = *place; i < t->n_buckets; i++) {
		first = n;
		for (struct udp_entry *entry = t->buckets[i]; entry; entry = entry->next) {
			/* the rest of a bucket that alone is too much is given up */
			if (n == max && first == 0)
				break;
			if (n == max) {
				*place = (uint32_t)i;
				return first;
			}
			ret[n++] = entry;
		}
	}
	*place = 0;
	return n;
}

void udp_table_remove(struct udp_table *t, struct udp_entry *entry)
{
	struct udp_entry **p = bucket_of(t, entry->hash);

	while (*p != entry)
		p = &(*p)->next;
	*p = entry->next;
	t->n--;
}
