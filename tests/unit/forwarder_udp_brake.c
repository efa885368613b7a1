/* SPDX-License-Identifier: Apache-2.0 */
/* UDP: nobody is sent more than it can read, and no more ICMP errors go out than there may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forwarder/icmp_protocol.h"
#include "forwarder/udp_gauge.h"
#include "forwarder/udp_icmp.h"
#include "unit/forwarder_world.h"

static int container, udp_client;
static uint16_t container_port, client_port;
static struct udp_listener *listener;
static struct udp_session *session;

static void send_to(int fd, uint16_t to_port, const void *data, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(to_port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* what finds no room is lost, and that is no error */
	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
}

/* One session, and gauges of both sides, which are this network namespace. */
static int begin_session(void **state)
{
	char byte;

	world_begin(state);
	container = bound_socket(SOCK_DGRAM, &container_port);
	udp_client = bound_socket(SOCK_DGRAM, &client_port);
	port = listen_to(1, true, container_port);
	start(false);
	listener = LIST_FIRST(&rule_find(&f, 1)->udp_listeners);
	send_to(udp_client, port, "a", 1);
	UNTIL(recv(container, &byte, 1, 0) == 1);
	session = TAILQ_FIRST(&f.udp.pool.idle[UDP_UNREPLIED]);
	udp_brake_gauge(&f, AF_INET, udp_gauge_open());
	udp_tick(&f.udp);
	return 0;
}

static int end_session(void **state)
{
	world_end(state);
	close(container);
	close(udp_client);
	return 0;
}

/* Until nothing more finds room there. */
static void fill_up(int to_port)
{
	static const char some[1000];
	uint16_t unused;
	int fd = bound_socket(SOCK_DGRAM, &unused);

	for (int i = 0; i < 20000; i++)
		send_to(fd, (uint16_t)to_port, some, sizeof(some));
	close(fd);
}

static void empty(int fd)
{
	char some[1000];

	while (recv(fd, some, sizeof(some), MSG_DONTWAIT) >= 0)
		;
}

static void a_full_container_is_waited_for(void **state)
{
	listener->brake.is_full = true;
	listener->brake.mean = 1000;
	assert_true(udp_brake_up(listener, session) > 0);
	fill_up(container_port);
	assert_int_equal(udp_brake_up(listener, session), 0);
	assert_ptr_equal(listener->held, &f.udp.braked);
	empty(container);
	UNTIL(!listener->held);
	assert_true(udp_brake_up(listener, session) > 0);
	/* who is slow is no reason to look */
	fill_up(container_port);
	listener->brake.is_full = false;
	listener->brake.count = 0;
	assert_int_equal(udp_brake_up(listener, session), UDP_BATCH_MAX);
}

static void but_not_for_ever(void **state)
{
	fill_up(container_port);
	listener->brake.is_full = true;
	assert_int_equal(udp_brake_up(listener, session), 0);
	listener->brake.waits_since -= 30;
	assert_int_equal(udp_brake_up(listener, session), UDP_BATCH_MAX);
	/* nor again at once */
	assert_true(listener->brake.off_until > f.udp.now);
	assert_int_equal(udp_brake_up(listener, session), UDP_BATCH_MAX);
}

static void one_clients_own_socket_holds_nobody_up(void **state)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	fill_up(container_port);
	assert_return_code(getsockname(session->source.fd, (struct sockaddr *)&at, &len), errno);
	assert_return_code(connect(container, (struct sockaddr *)&at, len), errno);
	listener->brake.is_full = true;
	assert_int_equal(udp_brake_up(listener, session), UDP_BATCH_MAX);
}

static void a_full_client_is_waited_for(void **state)
{
	session->brake.is_full = true;
	session->brake.mean = 1000;
	assert_true(udp_brake_down(session) > 0);
	fill_up(client_port);
	assert_int_equal(udp_brake_down(session), 0);
	assert_true(session->is_held);
	empty(udp_client);
	UNTIL(!session->is_held);
	assert_true(TAILQ_EMPTY(&f.udp.braked_sessions));
	assert_true(udp_brake_down(session) > 0);
}

static void gauges_are_asked_for_once_and_go_with_the_address(void **state)
{
	struct forwarder_request start = { .type = FORWARDER_START };
	unsigned int before = count_fds();

	assert_true(f.udp.gauges.asked);
	udp_brake_gauge(&f, AF_INET, udp_gauge_open());
	assert_int_equal(count_fds(), before);
	addr_parse("127.0.0.2", &start.start.target4);
	assert_int_equal(obey(&start, NULL, NULL, 0), 0);
	assert_int_equal(f.udp.gauges.v4_fd, -1);
	assert_false(f.udp.gauges.asked);
	assert_int_equal(f.udp.table.n, 0);
}

/* The ICMP child, as far as it is asked for errors. */
static int fake_icmp_child(void)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	f.udp.icmp.child.fd = fds[0];
	return fds[1];
}

static void errors_are_bounded_and_come_from_the_address_that_was_sent_to(void **state)
{
	static const struct in6_addr here = {
		.s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
	};
	int child = fake_icmp_child(), n = 0;
	struct icmp_refusal r;

	for (int i = 0; i < ICMP_PER_SECOND + 100; i++) {
		udp_icmp_refused(&f, session);
		n += recv(child, &r, sizeof(r), MSG_DONTWAIT) == sizeof(r);
	}
	assert_int_equal(n, ICMP_PER_SECOND);
	assert_memory_equal(&r.client, &here, sizeof(here));
	assert_memory_equal(&r.local, &here, sizeof(here));
	assert_int_equal(r.local_port, htons(port));
	assert_int_equal(r.client_port, htons(client_port));
	f.udp.now += 1000;
	udp_icmp_refused(&f, session);
	assert_int_equal(recv(child, &r, sizeof(r), MSG_DONTWAIT), sizeof(r));
	close(child);
	f.udp.icmp.child.fd = fd_close(f.udp.icmp.child.fd);
}

static void an_icmp_child_that_does_not_read_is_not_waited_for(void **state)
{
	int child = fake_icmp_child();

	alarm(20);
	for (int i = 0; i < ICMP_PER_SECOND; i++)
		udp_icmp_refused(&f, session);
	alarm(0);
	close(child);
	f.udp.icmp.child.fd = fd_close(f.udp.icmp.child.fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_session, end_session)
	static const struct CMUnitTest tests[] = {
		TEST(a_full_container_is_waited_for),
		TEST(but_not_for_ever),
		TEST(one_clients_own_socket_holds_nobody_up),
		TEST(a_full_client_is_waited_for),
		TEST(gauges_are_asked_for_once_and_go_with_the_address),
		TEST(errors_are_bounded_and_come_from_the_address_that_was_sent_to),
		TEST(an_icmp_child_that_does_not_read_is_not_waited_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
