/* SPDX-License-Identifier: Apache-2.0 */
/* A netns child that is no friend: replies that nobody asked for, and replies out of range. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "forwarder/forwarder.h"

/* Far more messages than the socket between the two has room for. */
#define FLOOD 20000

static struct forwarder f;
static int netns; /* the netns child's end */

static int setup(void **state)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	f = (struct forwarder){ 0 };
	assert_int_equal(forwarder_init(&f, fds[0]), 0);
	netns = fds[1];
	f.started = true;
	return 0;
}

static int teardown(void **state)
{
	forwarder_done(&f);
	close(netns);
	return 0;
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void turn(void)
{
	assert_int_equal(loop_turn(&f.loop, 0), 0);
}

static void send_reply(const struct connector_reply *reply, const int *fds, size_t n)
{
	assert_int_equal(fd_send(netns, reply, sizeof(*reply), fds, n), 0);
	turn();
}

/* With the far end of *ret, which shows whether the forwarder has kept what it got. */
static void send_with_fd(const struct connector_reply *reply, int *ret)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	send_reply(reply, &fds[1], 1);
	close(fds[1]);
	*ret = fds[0];
}

static bool is_closed(int far)
{
	char unused;
	ssize_t n = recv(far, &unused, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void assert_dropped(const struct connector_reply *reply)
{
	int far;

	send_with_fd(reply, &far);
	assert_true(is_closed(far));
	close(far);
	assert_true(f.started);
}

/* What is out of range ends the traffic with the netns child, and nothing of it is kept. */
static void assert_lost(const struct connector_reply *reply, size_t len, size_t n)
{
	unsigned int before = count_fds();
	int fds[CONNECTOR_BATCH];

	for (size_t i = 0; i < n; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(fd_send(netns, reply, len, fds, n), 0);
	turn();
	assert_int_equal(count_fds(), before);
	assert_false(f.started);
	assert_null(f.connector.source.loop);
	assert_int_equal(fd_send(netns, reply, len, NULL, 0), -EPIPE);
	teardown(NULL);
	setup(NULL);
}

static void a_walker_that_was_not_asked_for_is_closed(void **state)
{
	const struct connector_reply reply = { .type = CONNECTOR_WALKER };

	assert_dropped(&reply);
	assert_dropped(&reply);
	assert_int_equal(f.capturer.there.source.fd, -1);
}

static void of_two_walkers_the_first_is_kept(void **state)
{
	const struct connector_reply reply = { .type = CONNECTOR_WALKER };
	int first;

	assert_int_equal(connector_walker(&f.connector), 0);
	send_with_fd(&reply, &first);
	assert_true(f.capturer.there.source.fd >= 0);
	assert_dropped(&reply);
	/* also when both were asked for */
	assert_int_equal(connector_walker(&f.connector), 0);
	assert_dropped(&reply);
	assert_false(is_closed(first));
	close(first);
}

static void a_gauge_is_kept_only_for_the_latest_request(void **state)
{
	const struct connector_reply v4 = { .type = CONNECTOR_GAUGE, .family = AF_INET };
	const struct connector_reply v6 = { .type = CONNECTOR_GAUGE, .family = AF_INET6 };
	const struct addr target = { .family = AF_INET };
	int far;

	assert_dropped(&v4);
	assert_int_equal(connector_gauge(&f.connector, &target), 0);
	assert_int_equal(connector_gauge(&f.connector, &target), 0);
	assert_dropped(&v6);
	assert_dropped(&v4); /* of the request before */
	assert_int_equal(f.udp.gauges.v4_fd, -1);
	send_with_fd(&v4, &far);
	assert_true(f.udp.gauges.v4_fd >= 0);
	assert_dropped(&v4);
	assert_false(is_closed(far));
	close(far);
}

static void sockets_that_were_not_asked_for_are_closed(void **state)
{
	const struct connector_reply reply = { .type = CONNECTOR_SOCKETS, .family = AF_INET };
	const struct connector_reply released = {
		.type = CONNECTOR_SOCKETS, .family = AF_INET, .released = 1,
	};
	const struct addr target = { .family = AF_INET };
	int far;

	assert_dropped(&reply);
	send_reply(&released, NULL, 0);
	assert_int_equal(connector_has(&f.connector, &target, false), 0);
	connector_fill(&f.connector, &target, false);
	send_with_fd(&reply, &far);
	assert_false(is_closed(far));
	send_reply(&released, NULL, 0);
	assert_int_equal(connector_has(&f.connector, &target, false), 1);
	assert_dropped(&reply);
	close(far);
}

static void a_capture_that_was_not_asked_for_changes_nothing(void **state)
{
	const struct connector_reply reply = {
		.type = CONNECTOR_CAPTURE, .result = SHUNT_FOUND, .flow = 1,
	};

	send_reply(&reply, NULL, 0);
	assert_true(f.started);
}

static void a_reply_that_is_out_of_range_is_the_last(void **state)
{
	static const struct {
		struct connector_reply reply;
		size_t len, n_fds;
	} cases[] = {
#define WHOLE sizeof(struct connector_reply)
		{ { .type = CONNECTOR_CAPTURE, .result = 1 }, WHOLE, 1 },
		{ { .type = CONNECTOR_CAPTURE, .result = SHUNT_REFUSED + 1 }, WHOLE, 0 },
		{ { .type = CONNECTOR_CAPTURE, .result = INT32_MIN }, WHOLE, 0 },
		{ { .type = CONNECTOR_GAUGE, .family = AF_INET }, WHOLE, 2 },
		{ { .type = CONNECTOR_GAUGE, .family = AF_UNIX }, WHOLE, 1 },
		{ { .type = CONNECTOR_WALKER }, WHOLE, 2 },
		{ { .type = CONNECTOR_TOOLS }, WHOLE, 2 },
		{ { .type = CONNECTOR_TYPES }, WHOLE, 1 },
		{ { .type = UINT8_MAX }, WHOLE, 0 },
		{ { .family = AF_INET, .released = 1 }, WHOLE, 1 },
		{ { .family = AF_INET, .released = 2 }, WHOLE, 0 },
		{ { .family = AF_INET, .udp = 2 }, WHOLE, 0 },
		{ { .family = AF_UNSPEC }, WHOLE, 1 },
		{ { .family = AF_INET, .result = 1 }, WHOLE, 0 },
		{ { .family = AF_INET, .result = INT32_MIN }, WHOLE, 0 },
		{ { .family = AF_INET }, WHOLE - 1, 1 },
		{ { .family = AF_INET }, 1, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_lost(&cases[i].reply, cases[i].len, cases[i].n_fds);
}

static void a_flood_of_descriptors_leaves_none(void **state)
{
	static const struct connector_reply replies[] = {
		{ .type = CONNECTOR_WALKER },
		{ .type = CONNECTOR_GAUGE, .family = AF_INET6 },
		{ .type = CONNECTOR_SOCKETS, .family = AF_INET },
	};
	unsigned int before = count_fds();
	int fd = STDERR_FILENO;

	for (unsigned int i = 0; i < FLOOD; i++)
		send_reply(&replies[i % 3], &fd, 1);
	assert_int_equal(count_fds(), before);
	assert_true(f.started);
}

/* Returns the far end of a walker that is asked for a walk. */
static int walker_at_work(void)
{
	const struct connector_reply reply = { .type = CONNECTOR_WALKER };
	char ask;
	int far;

	assert_int_equal(connector_walker(&f.connector), 0);
	f.capturer.there.wanted = true;
	f.capturer.there.next = 0;
	send_with_fd(&reply, &far);
	assert_int_equal(recv(far, &ask, sizeof(ask), MSG_DONTWAIT), 1);
	return far;
}

static void answer_with(int far, const void *data, size_t len)
{
	assert_int_equal(send(far, data, len, 0), len);
	turn();
}

static void an_answer_of_the_walker_that_is_out_of_range_ends_it(void **state)
{
	static const struct walker_answer bad[] = {
		{ .result = WALKER_MS_MAX + 1 }, { .result = INT32_MAX },
		{ .result = -ERRNO_MAX - 1 }, { .result = INT32_MIN },
		{ .what = WALKER_RINGS + 1 }, { .what = 255 },
		/* of a task that is known, and not under way */
		{ .what = WALKER_RINGS },
	};
	const char zeros[sizeof(*bad) + 4] = { 0 };
	int far;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		far = walker_at_work();
		answer_with(far, &bad[i], sizeof(bad[i]));
		assert_true(is_closed(far));
		assert_int_equal(f.capturer.there.source.fd, -1);
		close(far);
	}
	for (size_t len = 1; len <= sizeof(zeros); len++) {
		far = walker_at_work();
		answer_with(far, zeros, len);
		assert_int_equal(is_closed(far), len != sizeof(*bad));
		close(far);
		turn();
	}
}

static void an_answer_of_the_walker_that_was_not_asked_for_ends_it(void **state)
{
	const struct walker_answer answer = { .result = 1 };
	int far = walker_at_work();

	answer_with(far, &answer, sizeof(answer));
	assert_false(is_closed(far));
	answer_with(far, &answer, sizeof(answer));
	assert_true(is_closed(far));
	close(far);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_walker_that_was_not_asked_for_is_closed),
		TEST(of_two_walkers_the_first_is_kept),
		TEST(a_gauge_is_kept_only_for_the_latest_request),
		TEST(sockets_that_were_not_asked_for_are_closed),
		TEST(a_capture_that_was_not_asked_for_changes_nothing),
		TEST(a_reply_that_is_out_of_range_is_the_last),
		TEST(a_flood_of_descriptors_leaves_none),
		TEST(an_answer_of_the_walker_that_is_out_of_range_ends_it),
		TEST(an_answer_of_the_walker_that_was_not_asked_for_ends_it),
	};

	/* what is lost is reported as an error, here some dozen times */
	signal(SIGPIPE, SIG_IGN);
	if (!freopen("/dev/null", "w", stderr))
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
