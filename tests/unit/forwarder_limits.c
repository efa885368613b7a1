/* SPDX-License-Identifier: Apache-2.0 */
/* Who has to wait at a limit, whose turn is next, and what is kept of the descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "unit/forwarder_world.h"

#define MS 1000000ull
#define HOUR (3600 * 1000 * MS)

static int clients[16];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

static struct rule *limited(uint32_t id, enum limit limit, uint32_t value)
{
	struct limits limits = { 0 };

	limits.of[limit] = value;
	open_rule(id, &limits);
	return rule_find(&f, id);
}

static void come(int from, int to, uint16_t at)
{
	for (int i = from; i < to; i++)
		clients[i] = client_new(at);
	turns();
}

static void leave(int from, int to)
{
	for (int i = from; i < to; i++)
		close(clients[i]);
	turns();
}

/* Whoever is at the server closes as well. */
static void answer_all(unsigned long n)
{
	for (; n; n--)
		close(accept_one_more());
}

static void one_more_than_the_limit_waits_until_one_ends(void **state)
{
	struct rule *rule = limited(1, LIMIT_CONNECTIONS, 2);

	come(0, 2, port);
	assert_int_equal(f.pairs_open, 2);
	/* nobody has waited so far, and the listener is at hand */
	assert_int_equal(rule->gate.reached[LIMIT_CONNECTIONS], 0);
	assert_null(LIST_FIRST(&rule->listeners)->held);
	come(2, 3, port);
	assert_int_equal(f.pairs_open, 2);
	assert_int_equal(rule->gate.reached[LIMIT_CONNECTIONS], 1);
	answer_all(2);
	leave(0, 1);
	UNTIL(rule->counts.accepted == 3);
	leave(1, 3);
}

static void a_limit_of_all_holds_up_other_rules_too(void **state)
{
	uint16_t second = listen_to(2, false, world_port);

	open_rule(2, NULL);
	f.gates.all.limits.of[LIMIT_CONNECTIONS] = 1;
	come(0, 1, port);
	come(1, 2, second);
	assert_int_equal(f.pairs_open, 1);
	assert_int_equal(f.gates.all.reached[LIMIT_CONNECTIONS], 1);
	assert_int_equal(rule_find(&f, 2)->gate.reached[LIMIT_CONNECTIONS], 0);
	answer_all(1);
	leave(0, 1);
	UNTIL(rule_find(&f, 2)->pairs_open == 1);
	leave(1, 2);
}

static void a_rule_counts_its_own_connections(void **state)
{
	uint16_t second = listen_to(2, false, world_port);

	limited(2, LIMIT_CONNECTIONS, 1);
	come(0, 3, port);
	come(3, 4, second);
	assert_int_equal(f.pairs_open, 4);
	leave(0, 4);
}

static void rules_begin_with_the_limits_of_each(void **state)
{
	f.gates.each.of[LIMIT_CONNECTIONS] = 7;
	listen_to(2, false, world_port);
	assert_int_equal(rule_find(&f, 2)->gate.limits.of[LIMIT_CONNECTIONS], 7);
	assert_int_equal(rule_find(&f, 2)->gate.limits.of[LIMIT_HALF_OPEN], 1024);
}

/* At 20 a second two may come at once, the others every 50 ms. */
static void newcomers_are_paced(void **state)
{
	struct rule *rule = limited(1, LIMIT_CONNECT_RATE, 20);
	uint64_t began = now_ns();

	come(0, 5, port);
	assert_true(rule->counts.accepted >= 2);
	assert_true(now_ns() - began > 50 * MS || rule->counts.accepted == 2);
	UNTIL(rule->counts.accepted == 5);
	assert_true(now_ns() - began >= 145 * MS);
	assert_true(rule->gate.reached[LIMIT_CONNECT_RATE] >= 1);
	leave(0, 5);
}

static unsigned int count_paced(void)
{
	struct gate *g;
	unsigned int n = 0;

	TAILQ_FOREACH(g, &f.gates.paced, paced)
		if (++n > 8)
			break;
	return n;
}

static void of_two_that_are_paced_the_earlier_decides(void **state)
{
	uint16_t second = listen_to(2, false, world_port);
	struct rule *late = limited(1, LIMIT_CONNECT_RATE, 20), *soon;

	soon = limited(2, LIMIT_CONNECT_RATE, 20);
	/* the timer is brought forward */
	late->gate.paced_to = now_ns() + HOUR;
	come(0, 1, port);
	assert_int_equal(late->counts.accepted, 0);
	soon->gate.paced_to = now_ns() + 100 * MS;
	come(1, 2, second);
	UNTIL(soon->counts.accepted == 1);
	/* and not set back: who has just waited is the one that waits for long */
	soon->gate.paced_to = now_ns() + 100 * MS;
	come(2, 3, second);
	late->gate.paced_to = now_ns() + HOUR;
	gate_tell(&late->gate, LIMIT_CONNECT_RATE);
	UNTIL(soon->counts.accepted == 2);
	assert_int_equal(late->counts.accepted, 0);
	leave(0, 3);
}

static void a_gate_is_in_the_list_once_and_leaves_it_with_its_rule(void **state)
{
	uint16_t second = listen_to(1, false, world_port);
	struct forwarder_request remove = { .type = FORWARDER_REMOVE, .remove.rule = 1 };
	struct rule *rule = limited(1, LIMIT_CONNECT_RATE, 20);

	rule->gate.paced_to = now_ns() + HOUR;
	come(0, 1, port);
	come(1, 2, second);
	assert_int_equal(count_paced(), 1);
	assert_int_equal(obey(&remove, NULL, NULL, 0), 0);
	assert_null(rule_find(&f, 1));
	assert_int_equal(count_paced(), 0);
	leave(0, 2);
}

/* The timer lets the first listener of the rule go, and that one lets the next one go. */
static void every_listener_of_a_rule_gets_its_turn(void **state)
{
	uint16_t second = listen_to(1, false, world_port);
	struct rule *rule = limited(1, LIMIT_CONNECT_RATE, 100);

	rule->gate.paced_to = now_ns() + 200 * MS;
	come(0, 1, port);
	come(1, 2, second);
	UNTIL(rule->counts.accepted == 2);
	leave(0, 2);
}

static void who_waited_for_an_end_may_have_to_wait_for_its_time(void **state)
{
	struct rule *rule = limited(1, LIMIT_CONNECTIONS, 1);

	limited(1, LIMIT_CONNECT_RATE, 20);
	come(0, 2, port);
	assert_int_equal(rule->counts.accepted, 1);
	rule->gate.paced_to = now_ns() + 200 * MS;
	answer_all(1);
	leave(0, 1);
	UNTIL(rule->counts.accepted == 2);
	leave(1, 2);
}

/* Whoever is let go has not run when its rule goes. */
static void the_turn_of_a_removed_rule_is_the_next_ones(void **state)
{
	uint16_t second = listen_to(2, false, world_port), third = listen_to(3, false, world_port);
	struct forwarder_request remove = { .type = FORWARDER_REMOVE, .remove.rule = 2 };

	open_rule(2, NULL);
	open_rule(3, NULL);
	f.gates.all.limits.of[LIMIT_CONNECTIONS] = 1;
	come(0, 1, port);
	come(1, 2, second);
	come(2, 3, third);
	assert_int_equal(f.pairs_open, 1);
	pair_finish(LIST_FIRST(&rule_find(&f, 1)->pairs));
	assert_int_equal(obey(&remove, NULL, NULL, 0), 0);
	UNTIL(rule_find(&f, 3)->pairs_open == 1);
	leave(0, 3);
}

static void half_open_ones_are_counted_until_they_are_answered_or_end(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(world_port) };
	struct rule *rule = limited(1, LIMIT_HALF_OPEN, 1);

	/* one is in the server's queue, or two, and it answers no others */
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(listen(world_server, 0), errno);
	for (int i = 8; i < 12; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(clients[i], (struct sockaddr *)&to, sizeof(to));
	}
	come(0, 2, port);
	assert_int_equal(f.pairs_open, 1);
	assert_int_equal(rule->gate.half_open, 1);
	assert_int_equal(f.gates.all.half_open, 1);
	assert_int_equal(rule->gate.reached[LIMIT_HALF_OPEN], 1);
	/* who gives up makes room */
	reset(clients[0]);
	UNTIL(rule->counts.accepted == 2);
	assert_int_equal(rule->gate.half_open, 1);
	leave(8, 12);
	reset(clients[1]);
	UNTIL(f.pairs_open == 0);
	assert_int_equal(rule->gate.half_open, 0);
	assert_int_equal(f.gates.all.half_open, 0);
}

/* Of 20 descriptors half is kept, and what the listener has: 9, which four connections fill. */
static void descriptors_are_kept_and_tried_again(void **state)
{
	f.fd_limit = 20;
	assert_int_equal(forwarder_fds_with(&f, 0), 9);
	assert_int_equal(forwarder_fds_with(&f, 3), 6);
	assert_int_equal(forwarder_udp_max(&f), 7);
	f.udp.table.n = 5;
	assert_int_equal(forwarder_fds_in_use(&f), 5);
	f.udp.table.n = 0;
	come(0, 6, port);
	assert_int_equal(f.pairs_open, 4);
	assert_int_equal(forwarder_udp_max(&f), 1);
	/* one that ends lets one in, without the timer */
	timer_set(&f.timer, 0);
	answer_all(4);
	leave(0, 1);
	UNTIL(rule_find(&f, 1)->counts.accepted == 5);
	/* and the timer lets them in when there are more */
	f.fd_limit = 1000;
	UNTIL(rule_find(&f, 1)->counts.accepted == 6);
	leave(1, 6);
}

static void ports_leave_room_for_a_client(void **state)
{
	struct forwarder_request request = {
		.type = FORWARDER_LISTEN,
		.listen = { .rule = 2, .count = 1, .container_port = 7000,
			    .spec = { .container_port = 7000, .count = 1, .protos = PROTO_TCP } },
	};
	uint16_t unused;
	int fd = bound_socket(SOCK_STREAM, &unused);

	f.fd_limit = 6;
	assert_int_equal(obey(&request, NULL, &fd, 1), -EMFILE);
	assert_null(rule_find(&f, 2));
}

static void an_accept_without_descriptors_holds_the_listener(void **state)
{
	struct rule *rule = rule_find(&f, 1);
	struct rlimit was;

	come(0, 1, port);
	clients[1] = client_new(port);
	was = use_up_descriptors();
	turns();
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(rule->counts.accepted, 1);
	assert_ptr_equal(LIST_FIRST(&rule->listeners)->held, &f.paused);
	UNTIL(rule->counts.accepted == 2);
	leave(0, 2);
}

static void one_listener_does_not_take_all_at_once(void **state)
{
	int many[40];

	for (int i = 0; i < 40; i++)
		many[i] = client_new(port);
	assert_int_equal(loop_turn(&f.loop, 1000), 0);
	assert_true(f.pairs_open <= 16);
	UNTIL(f.pairs_open == 40);
	for (int i = 0; i < 40; i++)
		close(many[i]);
}

/* A listener that is held goes with its rule; the lists are whole afterwards. */
static void a_held_listener_goes_with_its_rule(void **state)
{
	struct forwarder_request remove = { .type = FORWARDER_REMOVE, .remove.rule = 1 };
	struct rule *rule = limited(1, LIMIT_CONNECTIONS, 1);
	unsigned long before = f.listeners_open;
	uint16_t second;

	come(0, 2, port);
	assert_ptr_equal(LIST_FIRST(&rule->listeners)->held, &rule->gate.waiting);
	assert_int_equal(obey(&remove, NULL, NULL, 0), 0);
	assert_int_equal(f.listeners_open, before - 1);
	assert_true(TAILQ_EMPTY(&f.listeners));
	second = listen_to(2, false, world_port);
	assert_ptr_equal(TAILQ_FIRST(&f.listeners), LIST_FIRST(&rule_find(&f, 2)->listeners));
	assert_ptr_equal(TAILQ_LAST(&f.listeners, listener_list), TAILQ_FIRST(&f.listeners));
	open_rule(2, NULL);
	come(2, 3, second);
	assert_int_equal(rule_find(&f, 2)->counts.accepted, 1);
	leave(0, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, world_end)
	static const struct CMUnitTest tests[] = {
		TEST(one_more_than_the_limit_waits_until_one_ends),
		TEST(a_limit_of_all_holds_up_other_rules_too),
		TEST(a_rule_counts_its_own_connections),
		TEST(rules_begin_with_the_limits_of_each),
		TEST(newcomers_are_paced),
		TEST(of_two_that_are_paced_the_earlier_decides),
		TEST(a_gate_is_in_the_list_once_and_leaves_it_with_its_rule),
		TEST(every_listener_of_a_rule_gets_its_turn),
		TEST(who_waited_for_an_end_may_have_to_wait_for_its_time),
		TEST(the_turn_of_a_removed_rule_is_the_next_ones),
		TEST(half_open_ones_are_counted_until_they_are_answered_or_end),
		TEST(descriptors_are_kept_and_tried_again),
		TEST(ports_leave_room_for_a_client),
		TEST(an_accept_without_descriptors_holds_the_listener),
		TEST(one_listener_does_not_take_all_at_once),
		TEST(a_held_listener_goes_with_its_rule),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
