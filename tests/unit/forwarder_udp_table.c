/* SPDX-License-Identifier: Apache-2.0 */
/* The table of UDP sessions: found by every part of the key, however many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forwarder/udp_table.h"

#define N 20000

static const uint64_t secret[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

static struct udp_key key_number(unsigned int i)
{
	struct udp_key key = { .client_port = (in_port_t)i, .listener = 1 };

	memcpy(&key.client.s6_addr[12], &i, sizeof(i));
	return key;
}

static struct udp_entry *entries_new(struct udp_table *t, unsigned int n)
{
	struct udp_entry *entries = calloc(n, sizeof(*entries));

	assert_non_null(entries);
	for (unsigned int i = 0; i < n; i++) {
		entries[i].key = key_number(i);
		assert_int_equal(udp_table_insert(t, &entries[i]), 0);
	}
	return entries;
}

static void empty_finds_nothing(void **state)
{
	struct udp_key key = key_number(1);
	struct udp_table t;

	udp_table_init(&t, secret);
	assert_null(udp_table_find(&t, &key));
	udp_table_done(&t);
}

static void many_are_found_and_removed(void **state)
{
	struct udp_entry *entries;
	struct udp_table t;
	struct udp_key key;

	udp_table_init(&t, secret);
	entries = entries_new(&t, N);
	assert_int_equal(t.n, N);
	assert_true(t.n_buckets >= N);
	for (unsigned int i = 0; i < N; i += 2)
		udp_table_remove(&t, &entries[i]);
	assert_int_equal(t.n, N / 2);
	for (unsigned int i = 0; i < N; i++) {
		key = key_number(i);
		assert_ptr_equal(udp_table_find(&t, &key), i % 2 ? &entries[i] : NULL);
	}
	key = key_number(N);
	assert_null(udp_table_find(&t, &key));
	udp_table_done(&t);
	free(entries);
}

/* Each is another session. */
static void every_part_of_the_key_counts(void **state)
{
	struct udp_entry entry = { .key = key_number(7) };
	unsigned char bytes[sizeof(struct udp_key)];
	struct udp_table t;
	struct udp_key key;

	udp_table_init(&t, secret);
	assert_int_equal(udp_table_insert(&t, &entry), 0);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		memcpy(bytes, &entry.key, sizeof(bytes));
		bytes[i] ^= 0x10;
		memcpy(&key, bytes, sizeof(key));
		assert_null(udp_table_find(&t, &key));
	}
	key = entry.key;
	assert_ptr_equal(udp_table_find(&t, &key), &entry);
	udp_table_done(&t);
}

/* Neighbouring addresses and ports do not gather in few buckets. */
static void buckets_are_used_evenly(void **state)
{
	struct udp_entry *entries, *entry;
	unsigned int longest = 0, length;
	struct udp_table t;

	udp_table_init(&t, secret);
	entries = entries_new(&t, N);
	for (size_t i = 0; i < t.n_buckets; i++) {
		length = 0;
		for (entry = t.buckets[i]; entry; entry = entry->next)
			length++;
		longest = length > longest ? length : longest;
	}
	assert_true(longest <= 10);
	udp_table_done(&t);
	free(entries);
}

/* Page by page each entry is told once; a page may be short, not empty. */
static void test_pages(size_t max)
{
	struct udp_entry *entries, *page[64];
	unsigned char seen[N] = { 0 };
	uint32_t place = 0;
	struct udp_table t;
	size_t n, all = 0;

	udp_table_init(&t, secret);
	assert_int_equal(udp_table_page(&t, &place, page, max), 0);
	assert_int_equal(place, 0);
	entries = entries_new(&t, N);
	do {
		n = udp_table_page(&t, &place, page, max);
		assert_true(n <= max && (n || !place));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(seen[page[i] - entries]++, 0);
		all += n;
	} while (place);
	assert_int_equal(all, N);
	udp_table_done(&t);
	free(entries);
}

static void pages_tell_each_entry_once(void **state)
{
	test_pages(16);
	test_pages(64);
}

/* Who does not know the secret cannot tell which keys collide. */
static void the_secret_decides(void **state)
{
	static const uint64_t other[2] = { 1, 2 };
	struct udp_entry a = { .key = key_number(3) }, b = a;
	struct udp_table one, two;

	udp_table_init(&one, secret);
	udp_table_init(&two, other);
	assert_int_equal(udp_table_insert(&one, &a), 0);
	assert_int_equal(udp_table_insert(&two, &b), 0);
	assert_int_not_equal(a.hash, b.hash);
	udp_table_done(&one);
	udp_table_done(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_finds_nothing),
		cmocka_unit_test(many_are_found_and_removed),
		cmocka_unit_test(every_part_of_the_key_counts),
		cmocka_unit_test(buckets_are_used_evenly),
		cmocka_unit_test(pages_tell_each_entry_once),
		cmocka_unit_test(the_secret_decides),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
