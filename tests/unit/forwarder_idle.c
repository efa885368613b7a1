/* SPDX-License-Identifier: Apache-2.0 */
/* --rule-limit idle-timeout: which bytes count, and how many connections are looked at at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/forwarder_world.h"

#define MANY 600 /* more than two batches of idle.c */

static struct rule *rule;

static int begin_limited(void **state)
{
	const struct limits limits = { .of = { [LIMIT_IDLE_TIMEOUT] = 1 } };

	begin(state);
	open_rule(1, &limits);
	rule = rule_find(&f, 1);
	return 0;
}

/* One more of the four looks in a timeout: they do not wait for the clock. */
static void look(void)
{
	rule->idle.due = 1;
	f.idle.timer_at = 0;
	timer_set(&f.idle.timer, 1);
	UNTIL(rule->idle.due != 1);
}

static void who_is_idle_for_four_looks_is_reset_and_counted(void **state)
{
	connect_both();
	say(client, "a");
	hear(server, "a");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(f.pairs_open, 1);
		look();
	}
	assert_int_equal(f.pairs_open, 1);
	look();
	assert_int_equal(f.pairs_open, 0);
	assert_int_equal(rule->gate.reached[LIMIT_IDLE_TIMEOUT], 1);
	hear_reset(client);
	hear_reset(server);
	close(client);
	close(server);
}

static void looks_come_by_themselves(void **state)
{
	uint64_t began = timer_now();

	connect_both();
	UNTIL(f.pairs_open == 0);
	assert_true(timer_now() - began >= 1000);
	close(client);
	close(server);
}

/* Bytes of @from to @to, which reads them or does not, are no idleness. */
static void assert_alive(int from, int to, bool reads)
{
	char got[8];

	for (int i = 0; i < 8; i++) {
		say(from, "b");
		turns();
		if (reads)
			UNTIL(recv(to, got, sizeof(got), MSG_DONTWAIT) > 0);
		look();
		assert_int_equal(f.pairs_open, 1);
	}
}

static void either_side_counts(void **state)
{
	connect_both();
	assert_alive(client, server, true);
	assert_alive(server, client, true);
	close(client);
	close(server);
}

/* What one side has received counts although it cannot be passed on. */
static void bytes_that_wait_count(void **state)
{
	connect_both();
	fill(client);
	for (int i = 0; i < 4; i++)
		look();
	assert_int_equal(f.pairs_open, 1);
	/* the other direction moves alone, from the container, and from there to the client */
	assert_alive(server, client, true);
	/* and the server empties a full queue slowly: what it acknowledges counts */
	for (int i = 0; i < 8; i++) {
		static char some[300000];

		UNTIL(recv(server, some, sizeof(some), MSG_DONTWAIT) > 0);
		turns();
		look();
		assert_int_equal(f.pairs_open, 1);
	}
	reset(client);
	close(server);
}

/* Nothing comes from either side; the receiver acknowledges what it had not. */
static void acknowledged_bytes_count(void **state)
{
	size_t all;
	static char some[20000];

	connect_both();
	all = fill(client);
	shutdown(client, SHUT_WR);
	for (int i = 0; i < 3; i++)
		look();
	/* until the forwarder has all of it, only the server's side moves: by acknowledgements */
	for (size_t n = 0; n < all;) {
		ssize_t r;

		UNTIL((r = recv(server, some, sizeof(some), MSG_DONTWAIT)) > 0);
		n += (size_t)r;
	}
	turns();
	look();
	assert_int_equal(f.pairs_open, 1);
	close(server);
	close(client);
}

static int many[MANY];

static void open_many(void)
{
	for (int i = 0; i < MANY; i++) {
		many[i] = client_new(port);
		if (i % 100 == 99)
			turns();
	}
	UNTIL(f.pairs_open == MANY);
}

static unsigned int count_looked_at(void)
{
	struct pair *pair;
	unsigned int n = 0;

	LIST_FOREACH(pair, &rule->pairs, entry)
		n += pair->idle_looks > 0;
	return n;
}

static void many_are_looked_at_some_at_a_time(void **state)
{
	open_many();
	f.idle.timer_at = 0;
	rule->idle.due = 1;
	timer_set_us(&f.idle.timer, 1);
	UNTIL(count_looked_at() > 0);
	assert_int_equal(count_looked_at(), 256);
	assert_true(rule->idle.is_looking);
	/* it goes on where it stopped, also when that connection ends meanwhile */
	pair_abort(rule->idle.next);
	UNTIL(count_looked_at() == MANY - 1);
	UNTIL(!rule->idle.is_looking);
	/* each was looked at once */
	for (struct pair *pair = LIST_FIRST(&rule->pairs); pair; pair = LIST_NEXT(pair, entry))
		assert_int_equal(pair->idle_looks, 1);
	for (int i = 0; i < MANY; i++)
		close(many[i]);
}

static void of_two_rules_the_earlier_look_decides(void **state)
{
	const struct limits limits = { .of = { [LIMIT_IDLE_TIMEOUT] = 100000 } };
	uint16_t second = listen_to(2, false, world_port);
	int other;

	open_rule(2, &limits);
	connect_both();
	other = client_new(second);
	UNTIL(f.pairs_open == 2);
	UNTIL(f.pairs_open == 1);
	assert_int_equal(rule->pairs_open, 0);
	close(client);
	close(server);
	close(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_limited, world_end)
	static const struct CMUnitTest tests[] = {
		TEST(who_is_idle_for_four_looks_is_reset_and_counted),
		TEST(looks_come_by_themselves),
		TEST(either_side_counts),
		TEST(bytes_that_wait_count),
		TEST(acknowledged_bytes_count),
		TEST(many_are_looked_at_some_at_a_time),
		TEST(of_two_rules_the_earlier_look_decides),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
