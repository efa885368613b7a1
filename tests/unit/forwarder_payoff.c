// SPDX-License-Identifier: Apache-2.0
/* Which senders the shunt does not pay for, by what they do, and which it keeps. */
#include "forwarder/payoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1 << 20)

static const char *ticks(struct payoff *p, struct payoff_tick tick, int n)
{
	const char *why = NULL;

	while (n-- && !why)
		why = payoff_tick(p, &tick);
	return why;
}

static void test_flood(void **state)
{
	const struct payoff_tick flood = { .bytes = 100 * 1000, .messages = 100 };
	const struct payoff_tick largest = { .bytes = 100 * 12288, .messages = 100 };
	const struct payoff_tick fewest = { .bytes = 50, .messages = 50 };
	struct payoff p = { 0 };

	assert_null(ticks(&p, flood, 7));
	assert_string_equal(ticks(&p, flood, 1), "it sends a flood of small messages");
	p = (struct payoff){ 0 };
	assert_non_null(ticks(&p, largest, 8));
	p = (struct payoff){ 0 };
	assert_non_null(ticks(&p, fewest, 8));
}

static void test_no_flood(void **state)
{
	const struct payoff_tick flood = { .bytes = 100 * 1000, .messages = 100 };
	const struct payoff_tick large = { .bytes = 100 * 12289, .messages = 100 };
	const struct payoff_tick answered = { .bytes = 10000, .messages = 100, .answers = 13 };
	const struct payoff_tick few = { .bytes = 49, .messages = 49 };
	struct payoff p = { 0 };

	assert_null(ticks(&p, large, 1000));
	assert_null(ticks(&p, answered, 1000));
	assert_null(ticks(&p, few, 1000));
	/* one tick of another kind, and it begins anew */
	assert_null(ticks(&p, flood, 7));
	assert_null(ticks(&p, answered, 1));
	assert_null(ticks(&p, flood, 7));
	/* few messages say nothing either way */
	assert_null(ticks(&p, few, 1));
	assert_non_null(ticks(&p, flood, 1));
}

static void test_held_back(void **state)
{
	const struct payoff_tick held = { .messages = 1, .queue = QUEUE_HELD };
	const struct payoff_tick sent = { .messages = 1, .queue = QUEUE_SENT };
	const struct payoff_tick busy = { .messages = 1, .queue = QUEUE_BUSY };
	struct payoff p = { 0 };

	for (int i = 0; i < 1000; i++) {
		assert_null(ticks(&p, held, 2));
		assert_null(ticks(&p, sent, 1));
	}
	assert_null(ticks(&p, held, 1));
	assert_null(ticks(&p, busy, 10));
	assert_null(ticks(&p, held, 1));
	assert_non_null(strstr(ticks(&p, held, 1), "holds bytes back"));
}

static void test_long_writes(void **state)
{
	struct payoff p = { 0 };

	/* half of each window is redirected */
	for (uint64_t i = 1; i <= 100; i++)
		assert_null(payoff_relayed(&p, i * 2 * MIB, i * 2 * MIB, true, false));
	/* less */
	assert_null(payoff_relayed(&p, 202 * MIB, 201 * MIB, true, false));
	assert_non_null(strstr(payoff_relayed(&p, 203 * (uint64_t)MIB, 201 * MIB, true, false),
			       "writes much at once"));
	assert_false(p.is_chance);
}

static void test_small_share(void **state)
{
	struct payoff p = { 0 };

	/* a slow receiver: most is relayed, and that is no reason */
	for (uint64_t i = 1; i <= 100; i++)
		assert_null(payoff_relayed(&p, i * 32 * MIB, i * 4 * MIB, false, false));
	assert_null(payoff_relayed(&p, 3231 * (uint64_t)MIB, 400 * MIB, false, false));
	assert_non_null(strstr(payoff_relayed(&p, 3232 * (uint64_t)MIB, 400 * MIB, false, false),
			       "nearly all of its bytes are relayed"));
	/* it may have been bad luck, and is tried again */
	assert_true(p.is_chance);
	payoff_begin(&p, 3232 * (uint64_t)MIB, 400 * MIB);
	assert_false(p.is_chance);
}

static void test_the_smallest_share(void **state)
{
	struct payoff p = { 0 };

	/* of 34 MiB 2 are redirected, one in sixteen of the relayed; and a byte less */
	assert_null(payoff_relayed(&p, 32 * MIB, 2 * MIB, false, false));
	payoff_begin(&p, 0, 0);
	assert_non_null(payoff_relayed(&p, 32 * MIB, 2 * MIB - 1, false, false));
}

static void test_counts_from_the_capture(void **state)
{
	struct payoff p = { 0 };

	payoff_begin(&p, 1000 * (uint64_t)MIB, 0);
	assert_null(payoff_relayed(&p, 1031 * (uint64_t)MIB, 0, false, false));
	assert_non_null(payoff_relayed(&p, 1032 * (uint64_t)MIB, 0, false, false));
}

static void test_corked(void **state)
{
	struct payoff p = { 0 };
	uint64_t redirected = 0;

	assert_null(payoff_relayed(&p, 1 * MIB, ++redirected, false, true));
	/* it catches up each time */
	for (uint64_t i = 1; i <= 10; i++)
		assert_null(payoff_relayed(&p, 1 * MIB + i * 100000, ++redirected, false, true));
	assert_null(payoff_relayed(&p, 1 * MIB + 1000000 + 262143, redirected, false, true));
	assert_null(payoff_relayed(&p, 1 * MIB + 1000000 + 262144, redirected, false, false));
	assert_non_null(strstr(payoff_relayed(&p, 1 * MIB + 1000000 + 262144, redirected, false,
					      true), "corks"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_no_flood),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_long_writes),
		cmocka_unit_test(test_small_share),
		cmocka_unit_test(test_the_smallest_share),
		cmocka_unit_test(test_counts_from_the_capture),
		cmocka_unit_test(test_corked),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("forwarder/payoff", tests, NULL, NULL);
}
