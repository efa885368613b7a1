/* SPDX-License-Identifier: Apache-2.0 */
/* How often the forwarder has its walker walk, and look at rings: a small part of one CPU. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

static struct forwarder f;
static struct walks *there;
static int netns, walker; /* the netns child's end, and the walker's */

static void turns(void)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_turn(&f.loop, 0), 0);
}

/* With a walker of the container's sockets, for which nothing is to be done. */
static int begin(void **state)
{
	const struct connector_reply reply = { .type = CONNECTOR_WALKER };
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	f = (struct forwarder){ 0 };
	assert_int_equal(forwarder_init(&f, fds[0]), 0);
	netns = fds[1];
	there = &f.capturer.there;
	assert_int_equal(connector_walker(&f.connector), 0);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	assert_int_equal(fd_send(netns, &reply, sizeof(reply), &fds[1], 1), 0);
	close(fds[1]);
	walker = fds[0];
	turns();
	assert_true(there->source.fd >= 0);
	return 0;
}

static int end(void **state)
{
	forwarder_done(&f);
	close(netns);
	close(walker);
	return 0;
}

/* What the walker is asked for by now; -1: nothing. */
static int asked(void)
{
	uint8_t what;

	turns();
	return recv(walker, &what, 1, MSG_DONTWAIT) == 1 ? what : -1;
}

static void wait_for_ask(int what)
{
	uint64_t until = timer_now() + 10000;
	int got;

	while ((got = asked()) < 0) {
		assert_true(timer_now() < until);
		assert_int_equal(loop_turn(&f.loop, 5), 0);
	}
	assert_int_equal(got, what);
}

static void answer(const struct walker_answer *a)
{
	assert_int_equal(send(walker, a, sizeof(*a), 0), sizeof(*a));
	turns();
}

static void want_walk(void)
{
	there->wanted = true;
	timer_set(&there->timer, 1);
}

static void a_walk_is_asked_for_once(void **state)
{
	want_walk();
	wait_for_ask(WALKER_SOCKETS);
	assert_true(there->busy);
	assert_false(there->wanted);
	/* another one has to wait for its end */
	there->wanted = true;
	timer_set_us(&there->timer, 1);
	assert_int_equal(loop_turn(&f.loop, 1000), 0);
	assert_int_equal(asked(), -1);
	answer(&(struct walker_answer){ .result = 1 });
	assert_false(there->busy);
	wait_for_ask(WALKER_SOCKETS);
}

static void the_next_walk_comes_later(void **state)
{
	uint64_t began;

	want_walk();
	wait_for_ask(WALKER_SOCKETS);
	began = timer_now();
	answer(&(struct walker_answer){ .result = 1 });
	want_walk();
	wait_for_ask(WALKER_SOCKETS);
	/* 20 times what the one before took */
	assert_true(timer_now() - began >= 19);
	began = timer_now();
	answer(&(struct walker_answer){ .result = 50 });
	assert_true(there->next >= began + 1000);
	/* nothing was asked for meanwhile */
	assert_int_equal(asked(), -1);
}

static void a_walk_that_failed_is_asked_for_again_later(void **state)
{
	uint64_t began;

	want_walk();
	wait_for_ask(WALKER_SOCKETS);
	began = timer_now();
	answer(&(struct walker_answer){ .result = -ENOMEM });
	assert_true(there->wanted);
	assert_true(there->next >= began + 100);
	wait_for_ask(WALKER_SOCKETS);
	assert_true(timer_now() - began >= 100);
}

static void looks_at_rings_are_as_seldom(void **state)
{
	uint64_t began;

	there->rings.is_wanted = true;
	rings_go(there);
	wait_for_ask(WALKER_RINGS);
	assert_true(there->rings.is_busy);
	began = timer_now();
	/* 5 ms: then a pause of 2 ms, and 20 times as much */
	answer(&(struct walker_answer){ .what = WALKER_RINGS, .result = 5000 });
	assert_false(there->rings.is_busy);
	assert_false(there->rings.is_wanted);
	assert_true(there->rings.next >= began + 102);
	there->rings.is_wanted = true;
	rings_go(there);
	wait_for_ask(WALKER_RINGS);
	assert_true(timer_now() - began >= 102);
	/* who waits for it has to wait for another one */
	began = timer_now();
	answer(&(struct walker_answer){ .what = WALKER_RINGS, .result = -ENOMEM });
	assert_true(there->rings.is_wanted);
	assert_true(there->rings.next >= began + 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(a_walk_is_asked_for_once),
		TEST(the_next_walk_comes_later),
		TEST(a_walk_that_failed_is_asked_for_again_later),
		TEST(looks_at_rings_are_as_seldom),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
