/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection in the forwarder, up to what is hard to hit from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/forwarder_world.h"

/* More than a flow moves in one turn of the loop: PUMP_BUDGET of splice.c. */
#define MUCH (3 << 19)

/* @fd has room for all that is sent to it, if set before it connects. Skips where it may not. */
static void make_room(int fd)
{
	const int bytes = 8 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		skip();
}

static void send_much(int fd)
{
	static const char much[MUCH];
	size_t sent = 0;
	ssize_t n;

	while (sent < MUCH && (n = send(fd, much, MUCH - sent, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	assert_int_equal(sent, MUCH);
}

static int client_with_room(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	make_room(fd);
	assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), errno);
	assert_int_equal(fd_set_nonblock(fd), 0);
	return fd;
}

static void bytes_and_ends_cross_and_nothing_stays(void **state)
{
	unsigned int before;

	/* the first one leaves sockets and pipes on their shelves */
	connect_both();
	close_both();
	turns();
	before = count_fds();
	connect_both();
	say(client, "question");
	hear(server, "question");
	shutdown(client, SHUT_WR);
	hear_end(server);
	say(server, "answer");
	hear(client, "answer");
	shutdown(server, SHUT_WR);
	hear_end(client);
	UNTIL(f.pairs_open == 0);
	close(client);
	close(server);
	assert_int_equal(count_fds(), before);
	assert_int_equal(f.splice.pipes.in_use, 0);
	assert_int_equal(rule_find(&f, 1)->counts.up.relayed, strlen("question"));
	assert_int_equal(rule_find(&f, 1)->counts.down.relayed, strlen("answer"));
	assert_int_equal(rule_find(&f, 1)->counts.accepted, 2);
}

static void bulk_goes_on_without_another_event(void **state)
{
	static char got[MUCH];
	size_t n = 0;
	ssize_t r;

	client = client_with_room();
	server = accept_one_more();
	turns();
	send_much(server);
	/* the client takes nothing until all is there, so there is no edge on its side */
	UNTIL(rule_find(&f, 1) && LIST_FIRST(&rule_find(&f, 1)->pairs)->down.bytes == MUCH);
	while (n < MUCH && (r = recv(client, got, MUCH - n, MSG_DONTWAIT)) > 0)
		n += (size_t)r;
	assert_int_equal(n, MUCH);
	close_both();
	assert_int_equal(f.splice.pipes.in_use, 0);
}

static void who_waits_for_room_goes_on_when_there_is_some(void **state)
{
	size_t all;

	connect_both();
	all = fill(client);
	shutdown(client, SHUT_WR);
	assert_int_equal(drain(server), all);
	close_both();
}

/* As much as is spliced, and less than a window. */
#define SOME 20000

static void hear_some(int fd, size_t expected)
{
	static char got[2 * SOME];
	size_t n = 0;
	ssize_t r;

	while (n < expected) {
		UNTIL((r = recv(fd, got, sizeof(got), MSG_DONTWAIT)) > 0);
		n += (size_t)r;
	}
	assert_int_equal(n, expected);
}

static struct pair *bulk_pair(void)
{
	struct pair *pair;

	connect_both();
	pair = LIST_FIRST(&rule_find(&f, 1)->pairs);
	pair->down.bulk = true;
	return pair;
}

/* Where splice(2) stops and reports nothing: no other edge comes. */
static void an_urgent_byte_behind_bulk_arrives(void **state)
{
	static const char some[SOME];
	const int on = 1;

	bulk_pair();
	setsockopt(client, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	assert_int_equal(send(server, some, SOME, 0), SOME);
	assert_int_equal(send(server, "!", 1, MSG_OOB), 1);
	hear_some(client, SOME + 1);
	close_both();
}

static void bulk_arrives_where_no_pipe_can_be_made(void **state)
{
	static const char some[SOME];
	struct pair *pair = bulk_pair();
	struct rlimit was;

	assert_int_equal(send(server, some, SOME, 0), SOME);
	was = use_up_descriptors();
	turns();
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(pair->down.bytes, SOME);
	hear_some(client, SOME);
	close_both();
	assert_int_equal(f.splice.pipes.in_use, 0);
}

/* One turn moves a part of it, and then all ends. */
static void at_the_end_what_was_written_arrives(void **state)
{
	client = client_with_room();
	server = accept_one_more();
	turns();
	send_much(server);
	assert_int_equal(loop_turn(&f.loop, 1000), 0);
	assert_true(LIST_FIRST(&rule_find(&f, 1)->pairs)->down.bytes < MUCH);
	forwarder_finish(&f);
	assert_int_equal(drain(client), MUCH);
	close(client);
	close(server);
}

static void at_the_end_what_the_client_wrote_arrives(void **state)
{
	make_room(world_server);
	connect_both();
	send_much(client);
	assert_int_equal(loop_turn(&f.loop, 1000), 0);
	assert_true(LIST_FIRST(&rule_find(&f, 1)->pairs)->up.bytes < MUCH);
	forwarder_finish(&f);
	assert_int_equal(drain(server), MUCH);
	close(client);
	close(server);
}

/* What nobody in the container has read would make a reset of the FIN. */
static void the_end_is_a_fin_also_with_unread_bytes(void **state)
{
	connect_both();
	fill(client);
	say(server, "last");
	hear(client, "last");
	forwarder_finish(&f);
	hear_end(client);
	close(client);
	close(server);
}

static void what_the_container_sent_before_its_reset_arrives(void **state)
{
	connect_both();
	fill(client); /* so that the direction to the container fails first */
	say(server, "answer");
	reset(server);
	UNTIL(f.pairs_open == 0);
	hear(client, "answer");
	hear_reset(client);
	close(client);
}

static void what_the_client_sent_before_its_reset_arrives(void **state)
{
	connect_both();
	fill(server);
	say(client, "question");
	reset(client);
	UNTIL(f.pairs_open == 0);
	hear(server, "question");
	hear_reset(server);
	close(server);
}

static void a_reset_ends_a_connection_whose_other_side_has_stopped(void **state)
{
	connect_both();
	fill(client);
	reset(client);
	UNTIL(f.pairs_open == 0);
	close(server);
}

/* Connections that fill the server's queue, so that it answers no more of them. */
static unsigned int fill_queue(int *fds, unsigned int max)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(world_port) };
	unsigned int n = 0;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(listen(world_server, 0), errno);
	for (; n < max; n++) {
		struct tcp_info info = { 0 };
		socklen_t len = sizeof(info);

		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fds[n], (struct sockaddr *)&to, sizeof(to));
		getsockopt(fds[n], IPPROTO_TCP, TCP_INFO, &info, &len);
		if (info.tcpi_state != TCP_ESTABLISHED)
			return n + 1;
	}
	fail_msg("the server's queue has no end");
	return n;
}

static void a_client_that_resets_before_the_answer_ends_it(void **state)
{
	int fds[8];
	unsigned int n = fill_queue(fds, 8);

	client = client_new(port);
	UNTIL(f.pairs_open == 1);
	turns();
	assert_int_equal(f.gates.all.half_open, 1);
	reset(client);
	UNTIL(f.pairs_open == 0);
	assert_int_equal(f.gates.all.half_open, 0);
	while (n)
		close(fds[--n]);
}

static void a_refusal_resets_the_client_and_is_counted(void **state)
{
	close(world_server);
	client = client_new(port);
	hear_reset(client);
	assert_int_equal(rule_find(&f, 1)->counts.refused, 1);
	assert_int_equal(f.pairs_open, 0);
	assert_int_equal(f.gates.all.half_open, 0);
	close(client);
	world_server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, world_end)
	static const struct CMUnitTest tests[] = {
		TEST(bytes_and_ends_cross_and_nothing_stays),
		TEST(bulk_goes_on_without_another_event),
		TEST(who_waits_for_room_goes_on_when_there_is_some),
		TEST(an_urgent_byte_behind_bulk_arrives),
		TEST(bulk_arrives_where_no_pipe_can_be_made),
		TEST(at_the_end_what_was_written_arrives),
		TEST(at_the_end_what_the_client_wrote_arrives),
		TEST(the_end_is_a_fin_also_with_unread_bytes),
		TEST(what_the_container_sent_before_its_reset_arrives),
		TEST(what_the_client_sent_before_its_reset_arrives),
		TEST(a_reset_ends_a_connection_whose_other_side_has_stopped),
		TEST(a_client_that_resets_before_the_answer_ends_it),
		TEST(a_refusal_resets_the_client_and_is_counted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
