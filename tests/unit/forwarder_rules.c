/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a forwarder: opened, drained, removed, handed over, and told page by page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forwarder/hand_over.h"
#include "forwarder/report.h"
#include "unit/forwarder_world.h"

static void remove_rule(bool drain, uint32_t timeout_ms, uint32_t expected)
{
	struct forwarder_request request = {
		.type = FORWARDER_REMOVE,
		.remove = { .rule = 1, .drain = drain, .timeout_ms = timeout_ms },
	};
	struct forwarder_reply reply = { 0 };

	assert_int_equal(obey(&request, &reply, NULL, 0), 0);
	assert_int_equal(reply.connections, expected);
}

static void a_removed_rule_is_gone_with_its_connections_and_stays_in_the_sum(void **state)
{
	connect_both();
	say(client, "question");
	hear(server, "question");
	remove_rule(false, 0, 1);
	assert_null(rule_find(&f, 1));
	assert_int_equal(f.rules.past.accepted, 1);
	assert_int_equal(f.rules.past.up.relayed, strlen("question"));
	assert_refused();
	hear_end(client);
	hear_end(server);
	assert_int_equal(f.listeners_open, 0);
	close(client);
	close(server);
}

static void a_drained_rule_lives_as_long_as_its_connections(void **state)
{
	struct forwarder_request sockets = {
		.type = FORWARDER_SOCKETS,
		.sockets = { .rule = 1, .container_port = world_port, .count = 1 },
	};
	struct forwarder_request open = { .type = FORWARDER_OPEN, .open.rule = 1 };
	int fds[FD_PASS_MAX];
	size_t n;

	connect_both();
	remove_rule(true, 0, 1);
	assert_refused();
	say(client, "on");
	hear(server, "on");
	assert_true(rule_find(&f, 1)->is_removed);
	/* it cannot be opened again, and has nothing to hand over */
	assert_int_equal(obey(&open, NULL, NULL, 0), -ENOENT);
	assert_int_equal(hand_over_sockets(&f, &sockets, fds, &n), -ENOENT);
	close_both();
	assert_null(rule_find(&f, 1));
}

static void a_drained_rule_ends_when_its_time_is_over(void **state)
{
	connect_both();
	remove_rule(true, 30, 1);
	assert_non_null(rule_find(&f, 1));
	hear_end(client);
	assert_null(rule_find(&f, 1));
	close(client);
	close(server);
}

static void the_earlier_of_two_ends_comes_first(void **state)
{
	uint16_t second = listen_to(2, false, world_port);
	struct forwarder_request later = {
		.type = FORWARDER_REMOVE,
		.remove = { .rule = 2, .drain = true, .timeout_ms = 100000 },
	};
	int other, other_server;

	open_rule(2, NULL);
	connect_both();
	other = client_new(second);
	other_server = accept_one_more();
	remove_rule(true, 30, 1);
	assert_int_equal(obey(&later, NULL, NULL, 0), 0);
	hear_end(client);
	/* who leaves gives no rule more time than it had, and the others this much */
	assert_int_equal(hand_over_leave(&f, 200000), 1);
	assert_true(rule_find(&f, 2)->deadline <= timer_now() + 100000);
	close(other);
	close(other_server);
	UNTIL(f.pairs_open == 0);
	close(client);
	close(server);
}

static void pages_tell_each_rule_and_connection_once(void **state)
{
	enum { RULES = FORWARDER_PAGE + 8 };
	struct forwarder_request rules = { .type = FORWARDER_RULES };
	struct forwarder_request connections = {
		.type = FORWARDER_CONNECTIONS,
		.connections = { .rule = 1, .before = UINT64_MAX, .only = true },
	};
	static struct forwarder_reply reply;
	int clients[RULES];

	for (uint32_t id = 2; id <= RULES; id++)
		listen_to(id, false, world_port);
	for (int i = 0; i < RULES; i++)
		clients[i] = client_new(port);
	UNTIL(f.pairs_open == RULES && f.gates.all.half_open == 0);
	reply = (struct forwarder_reply){ 0 };
	assert_int_equal(obey(&rules, &reply, NULL, 0), 0);
	assert_int_equal(reply.rules.n, FORWARDER_PAGE);
	assert_int_equal(reply.rules.list[0].id, 1);
	assert_int_equal(reply.rules.list[0].connections, RULES);
	rules.rules.after = reply.rules.list[FORWARDER_PAGE - 1].id;
	reply = (struct forwarder_reply){ 0 };
	assert_int_equal(obey(&rules, &reply, NULL, 0), 0);
	assert_int_equal(reply.rules.n, 8);
	assert_int_equal(reply.rules.list[0].id, FORWARDER_PAGE + 1);

	reply = (struct forwarder_reply){ 0 };
	assert_int_equal(obey(&connections, &reply, NULL, 0), 0);
	assert_int_equal(reply.open.n, FORWARDER_PAGE);
	connections.connections.before = reply.open.list[FORWARDER_PAGE - 1].id;
	reply = (struct forwarder_reply){ 0 };
	assert_int_equal(obey(&connections, &reply, NULL, 0), 0);
	assert_int_equal(reply.open.n, 8);
	assert_true(reply.open.list[0].id < connections.connections.before);
	for (int i = 0; i < RULES; i++)
		close(clients[i]);
}

static void connections_of_one_rule_only(void **state)
{
	uint16_t second = listen_to(2, false, world_port);
	struct forwarder_request connections = {
		.type = FORWARDER_CONNECTIONS,
		.connections = { .rule = 1, .before = UINT64_MAX, .only = true },
	};
	static struct forwarder_reply reply;
	int other, other_server;

	open_rule(2, NULL);
	connect_both();
	say(client, "four");
	hear(server, "four");
	other = client_new(second);
	other_server = accept_one_more();
	reply = (struct forwarder_reply){ 0 };
	assert_int_equal(obey(&connections, &reply, NULL, 0), 0);
	assert_int_equal(reply.open.n, 1);
	assert_int_equal(reply.open.list[0].rule, 1);
	assert_int_equal(reply.open.list[0].up.relayed, 4);
	close(other);
	close(other_server);
	close_both();
}

static void a_rule_opens_after_the_start(void **state)
{
	uint16_t second = listen_to(2, false, world_port);
	int other = client_new(second), other_server;

	turns();
	assert_int_equal(accept_some(), -1);
	assert_int_equal(f.pairs_open, 0);
	open_rule(2, NULL);
	other_server = accept_one_more();
	close(other);
	close(other_server);
}

static void a_paused_forwarder_takes_nobody_until_it_goes_on(void **state)
{
	hand_over_pause(&f, true);
	client = client_new(port);
	turns();
	assert_int_equal(f.pairs_open, 0);
	hand_over_pause(&f, false);
	server = accept_one_more();
	close_both();
}

static void listeners_are_handed_over_in_their_order(void **state)
{
	struct forwarder_request sockets = {
		.type = FORWARDER_SOCKETS,
		.sockets = { .rule = 2, .container_port = 7000, .count = UINT16_MAX },
	};
	int fds[FD_PASS_MAX + 1];
	size_t n;

	for (uint16_t i = 0; i < 5; i++)
		listen_to(2, false, (uint16_t)(7000 + i));
	fds[FD_PASS_MAX] = 77;
	assert_int_equal(hand_over_sockets(&f, &sockets, fds, &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(fds[FD_PASS_MAX], 77);
	sockets.sockets.container_port = 7003;
	sockets.sockets.count = 1;
	assert_int_equal(hand_over_sockets(&f, &sockets, fds, &n), 0);
	assert_int_equal(n, 1);
	sockets.sockets.container_port = 7005;
	assert_int_equal(hand_over_sockets(&f, &sockets, fds, &n), -ENOENT);
}

static void another_address_of_one_family_leaves_the_other_alone(void **state)
{
	struct forwarder_request start = { .type = FORWARDER_START };
	struct forwarder_reply reply = { 0 };

	addr_parse("127.0.0.1", &start.start.target4);
	addr_parse("::1", &start.start.target6);
	assert_int_equal(obey(&start, NULL, NULL, 0), 0);
	connect_both();
	addr_parse("::2", &start.start.target6);
	assert_int_equal(obey(&start, &reply, NULL, 0), 0);
	assert_int_equal(reply.connections, 0);
	assert_int_equal(f.pairs_open, 1);
	addr_parse("127.0.0.2", &start.start.target4);
	assert_int_equal(obey(&start, &reply, NULL, 0), 0);
	assert_int_equal(reply.connections, 1);
	hear_end(client);
	close(client);
	close(server);
}

static void a_drain_ends_with_what_the_container_says_last(void **state)
{
	int silent = client_new(port), silent_server = accept_one_more();

	connect_both();
	fill(client);
	say(server, "last");
	forwarder_drain(&f);
	assert_refused();
	shutdown(server, SHUT_WR);
	hear(client, "last");
	hear_end(client);
	assert_int_equal(f.pairs_open, 1);
	/* the other one says nothing, and is given a second */
	UNTIL(f.loop.stop);
	assert_int_equal(f.pairs_open, 0);
	hear_end(silent);
	close(silent);
	close(silent_server);
	close(client);
	close(server);
}

static void of_descriptors_that_are_refused_none_stays(void **state)
{
	struct forwarder_request request = {
		.type = FORWARDER_LISTEN,
		.listen = { .rule = 2, .count = 3, .container_port = 7000,
			    .spec = { .container_port = 7000, .count = 3, .protos = PROTO_TCP } },
	};
	struct forwarder_request rules = { .type = FORWARDER_RULES };
	static struct forwarder_reply reply;
	unsigned int before = count_fds();
	unsigned long listeners = f.listeners_open;
	uint16_t unused;
	int fds[3];

	/* two of three came: some were lost on the way */
	for (int i = 0; i < 2; i++)
		fds[i] = bound_socket(SOCK_STREAM, &unused);
	assert_int_equal(obey(&request, NULL, fds, 2), -EMFILE);
	assert_int_equal(count_fds(), before);
	/* the third can not be watched: epoll(7) takes no file */
	for (int i = 0; i < 2; i++)
		fds[i] = bound_socket(SOCK_STREAM, &unused);
	fds[2] = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_true(obey(&request, NULL, fds, 3) < 0);
	assert_int_equal(count_fds(), before);
	assert_int_equal(f.listeners_open, listeners);
	/* a request that takes none */
	fds[0] = bound_socket(SOCK_STREAM, &unused);
	assert_int_equal(obey(&rules, &reply, fds, 1), 0);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, world_end)
	static const struct CMUnitTest tests[] = {
		TEST(a_removed_rule_is_gone_with_its_connections_and_stays_in_the_sum),
		TEST(a_drained_rule_lives_as_long_as_its_connections),
		TEST(a_drained_rule_ends_when_its_time_is_over),
		TEST(the_earlier_of_two_ends_comes_first),
		TEST(pages_tell_each_rule_and_connection_once),
		TEST(connections_of_one_rule_only),
		TEST(a_rule_opens_after_the_start),
		TEST(a_paused_forwarder_takes_nobody_until_it_goes_on),
		TEST(listeners_are_handed_over_in_their_order),
		TEST(another_address_of_one_family_leaves_the_other_alone),
		TEST(a_drain_ends_with_what_the_container_says_last),
		TEST(of_descriptors_that_are_refused_none_stays),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
