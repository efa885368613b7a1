/* SPDX-License-Identifier: Apache-2.0 */
/* The netns child with a forwarder that somebody has taken over. */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "forwarder/connector_protocol.h"
#include "supervisor/netns_child.h"

/* What a taken-over forwarder asked for within 13 s, and got. */
#define STORM 3000

#define DEADLINE_MS 10000

static pid_t child;
static int control, forwarder;

/* Sockets of other families kill it: whoever asks for one may load a module of the kernel. */
static void forbid_families(void)
{
	static const int families[] = { AF_ALG, AF_PACKET, AF_BLUETOOTH, AF_RDS, AF_UNSPEC };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
				 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	if (!ctx || seccomp_load(ctx) < 0)
		_exit(99);
}

static int setup(void **state)
{
	int controls[2], forwarders[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, controls), errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, forwarders), errno);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(controls[0]);
		close(forwarders[0]);
		close(STDERR_FILENO);
		forbid_families();
		_exit(netns_child_main(controls[1], forwarders[1], NULL));
	}
	close(controls[1]);
	close(forwarders[1]);
	control = controls[0];
	forwarder = forwarders[0];
	return 0;
}

/* Without a supervisor it ends, and well: it was not killed for a socket. */
static int teardown(void **state)
{
	int status;

	close(control);
	close(forwarder);
	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void ask(const struct connector_request *request, size_t len)
{
	assert_int_equal(fd_send(forwarder, request, len, NULL, 0), 0);
}

/* Returns the length of the next message, 0 at the end; *ret_fd is a descriptor of it, or -1. */
static ssize_t next(struct connector_reply *reply, int *ret_fd)
{
	struct pollfd in = { .fd = forwarder, .events = POLLIN };
	size_t n = 0;
	ssize_t len;

	assert_int_equal(poll(&in, 1, DEADLINE_MS), 1);
	*ret_fd = -1;
	len = fd_recv(forwarder, reply, sizeof(*reply), ret_fd, 1, &n);
	return len == -ECONNRESET ? 0 : len;
}

static int walker(void)
{
	const struct connector_request request = { .type = CONNECTOR_WALKER };
	struct connector_reply reply;
	int fd;

	ask(&request, sizeof(request));
	assert_int_equal(next(&reply, &fd), sizeof(reply));
	assert_int_equal(reply.type, CONNECTOR_WALKER);
	return fd;
}

static void there_is_one_walker_at_a_time(void **state)
{
	int first = walker(), fd;

	assert_true(first >= 0);
	for (int i = 1; i < STORM; i++)
		assert_int_equal(walker(), -1);
	/* it ends with its socket, and then there is another one, once it is dead */
	close(first);
	while ((fd = walker()) < 0)
		;
	close(fd);
}

static void sockets_of_both_families_are_made(void **state)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	struct connector_request request = { .type = CONNECTOR_SOCKETS, .count = 1 };
	struct connector_reply reply;
	int fd;

	for (int i = 0; i < 4; i++) {
		request.target.family = families[i / 2];
		request.udp = i % 2;
		ask(&request, sizeof(request));
		assert_int_equal(next(&reply, &fd), sizeof(reply));
		assert_true(fd >= 0);
		assert_int_equal(reply.result, 0);
		close(fd);
		assert_int_equal(next(&reply, &fd), sizeof(reply));
		assert_int_equal(reply.released, 1);
	}
}

static void a_request_that_is_out_of_range_is_the_last(void **state)
{
	static const struct {
		struct connector_request request;
		size_t len;
	} cases[] = {
#define WHOLE sizeof(struct connector_request)
		{ { .count = 1, .target.family = AF_ALG }, WHOLE },
		{ { .count = 1, .target.family = AF_PACKET }, WHOLE },
		{ { .count = 1, .target.family = AF_UNSPEC }, WHOLE },
		{ { .count = 1, .udp = 1, .target.family = AF_BLUETOOTH }, WHOLE },
		{ { .type = CONNECTOR_GAUGE, .target.family = AF_RDS }, WHOLE },
		{ { .count = 0, .target.family = AF_INET }, WHOLE },
		{ { .count = CONNECTOR_BATCH + 1, .target.family = AF_INET }, WHOLE },
		{ { .count = 1, .udp = 2, .target.family = AF_INET }, WHOLE },
		{ { .type = CONNECTOR_TYPES }, WHOLE },
		{ { .type = CONNECTOR_WALKER }, 1 },
	};
	struct connector_reply reply;
	int fd;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ask(&cases[i].request, cases[i].len);
		assert_int_equal(next(&reply, &fd), 0);
		assert_int_equal(fd, -1);
		assert_int_equal(teardown(NULL), 0);
		setup(NULL);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(there_is_one_walker_at_a_time),
		TEST(sockets_of_both_families_are_made),
		TEST(a_request_that_is_out_of_range_is_the_last),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
