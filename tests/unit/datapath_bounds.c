/* SPDX-License-Identifier: Apache-2.0 */
/* What may wait in the sockets of bulk flows: the more of them, the less; and who counts. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/splice.h"

#define MIB (1 << 20)
#define MANY 64 /* of bounds.c */

static struct splice s;
static struct flow flow;
static int listener, from, to; /* of a connection over loopback each */

static int number(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_return_code(getsockopt(fd, level, option, &value, &len), errno);
	return value;
}

static int begin(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(listener, (struct sockaddr *)&at, len), errno);
	assert_return_code(listen(listener, 2), errno);
	assert_return_code(getsockname(listener, (struct sockaddr *)&at, &len), errno);
	from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(from, (struct sockaddr *)&at, len), errno);
	assert_return_code(connect(to, (struct sockaddr *)&at, len), errno);
	assert_int_equal(splice_init(&s), 0);
	flow_init(&flow, from, to);
	return 0;
}

static int end(void **state)
{
	splice_done(&s);
	/* their other ends are reset with it */
	close(listener);
	close(from);
	close(to);
	return 0;
}

/* The kernel doubles it, and cuts it to twice rmem_max: compared where that leaves room. */
static uint32_t may_wait(void)
{
	return (uint32_t)number(from, SOL_SOCKET, SO_RCVBUF) / 2;
}

static void a_flow_that_is_alone_gets_the_most(void **state)
{
	if (!s.bounds.can_hold_near)
		skip();
	bounds_bulk(&s.bounds, &flow);
	assert_int_equal(may_wait(), MIB);
	assert_int_equal(s.bounds.n_proven, 1);
	flow_done(&s, &flow);
	assert_int_equal(s.bounds.n_proven, 0);
	/* and once */
	flow_done(&s, &flow);
	assert_int_equal(s.bounds.n_proven, 0);
}

static void many_share(void **state)
{
	if (!s.bounds.can_hold_near)
		skip();
	s.bounds.n_proven = 63;
	bounds_bulk(&s.bounds, &flow);
	assert_int_equal(may_wait(), MIB / 2);
	flow_done(&s, &flow);
}

static void nobody_gets_less_than_the_least(void **state)
{
	s.bounds.n_proven = 100000;
	bounds_bulk(&s.bounds, &flow);
	assert_int_equal(may_wait(), 64 << 10);
	flow_done(&s, &flow);
}

static void while_many_wait_newcomers_have_to_prove_themselves(void **state)
{
	s.bounds.n_waiting = MANY;
	bounds_bulk(&s.bounds, &flow);
	assert_int_equal(may_wait(), 64 << 10);
	assert_int_equal(s.bounds.n_proven, 0);
	assert_int_equal(flow.proven_at, MIB);
	s.bounds.n_waiting = 0;
	flow_done(&s, &flow);
}

static void who_waits_counts_once_and_until_its_end(void **state)
{
	bounds_wait(&s.bounds, &flow, true);
	bounds_wait(&s.bounds, &flow, true);
	assert_int_equal(s.bounds.n_waiting, 1);
	bounds_wait(&s.bounds, &flow, false);
	assert_int_equal(s.bounds.n_waiting, 0);
	bounds_wait(&s.bounds, &flow, true);
	flow_done(&s, &flow);
	assert_int_equal(s.bounds.n_waiting, 0);
}

static void what_is_unsent_is_bounded_unless_the_target_is_shared(void **state)
{
	assert_int_equal(number(to, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0);
	bounds_bulk(&s.bounds, &flow);
	assert_int_equal(number(to, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 << 10);
	flow_share_target(&flow, true);
	assert_int_equal(number(to, IPPROTO_TCP, TCP_NOTSENT_LOWAT), -1);
	flow_share_target(&flow, false);
	assert_int_equal(number(to, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 << 10);
	/* somebody has set it meanwhile */
	setsockopt(to, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ -1 }, sizeof(int));
	flow_bound_again(&flow);
	assert_int_equal(number(to, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 << 10);
	flow_done(&s, &flow);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(a_flow_that_is_alone_gets_the_most),
		TEST(many_share),
		TEST(nobody_gets_less_than_the_least),
		TEST(while_many_wait_newcomers_have_to_prove_themselves),
		TEST(who_waits_counts_once_and_until_its_end),
		TEST(what_is_unsent_is_bounded_unless_the_target_is_shared),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
