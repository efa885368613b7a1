/* SPDX-License-Identifier: Apache-2.0 */
/* A forwarder that makes its sockets by itself, and what it does when it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "forwarder/alone.h"
#include "forwarder/forwarder.h"

#define DEADLINE_MS 10000

static bool has_ports_there; /* asked here: the process itself may not ask any more */

static struct forwarder f;
static int failing; /* -errno instead of a socket */
static unsigned int made;

static int make(bool udp, sa_family_t family)
{
	if (failing)
		return failing;
	made++;
	return socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* On a free port of 127.0.0.1, which is *ret. */
static int listening(struct sockaddr_in *ret)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(fd, (struct sockaddr *)ret, len), errno);
	assert_return_code(listen(fd, 16), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)ret, &len), errno);
	return fd;
}

static int connected_to(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(connect(fd, (const struct sockaddr *)at, sizeof(*at)), errno);
	return fd;
}

static void obey(struct forwarder_request *request, int *fds, size_t n)
{
	struct forwarder_reply reply = { 0 };
	struct error err = { "" };

	assert_int_equal(forwarder_obey(&f, request, &reply, fds, n, &err), 0);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The container's end of the connection that the forwarder makes; -1: none in @ms. */
static int arrives(int container, int ms)
{
	uint64_t end = now_ms() + (uint64_t)ms;
	int fd;

	while ((fd = accept(container, NULL, NULL)) < 0 && now_ms() < end)
		assert_int_equal(loop_turn(&f.loop, 50), 0);
	return fd;
}

/* Forwards to @container; *ret_at is where it listens. */
static void start(const struct sockaddr_in *container, struct sockaddr_in *ret_at)
{
	struct forwarder_request listen = { .type = FORWARDER_LISTEN };
	struct forwarder_request start = { .type = FORWARDER_START };
	int fd = listening(ret_at);

	f = (struct forwarder){ 0 };
	f.connector.make = make;
	made = 0;
	assert_int_equal(forwarder_init(&f, -1), 0);
	listen.listen.rule = 1;
	listen.listen.count = 1;
	listen.listen.container_port = ntohs(container->sin_port);
	obey(&listen, &fd, 1);
	start.start.target4.family = AF_INET;
	start.start.target4.v4 = container->sin_addr;
	obey(&start, NULL, 0);
}

static void one_is_ready_and_no_more(void **state)
{
	struct sockaddr_in to, at;
	int container = listening(&to), client, fd;

	failing = 0;
	start(&to, &at);
	assert_int_equal(made, 1);
	client = connected_to(&at);
	fd = arrives(container, DEADLINE_MS);
	assert_true(fd >= 0);
	assert_int_equal(made, 2);
	forwarder_finish(&f);
	forwarder_done(&f);
	close(fd);
	close(client);
	close(container);
}

static void clients_wait_until_there_are_sockets_again(void **state)
{
	struct sockaddr_in to, at;
	int container = listening(&to), client, fd;

	failing = -EMFILE;
	start(&to, &at);
	client = connected_to(&at);
	assert_int_equal(arrives(container, 300), -1);
	assert_int_equal(made, 0);
	failing = 0;
	fd = arrives(container, DEADLINE_MS);
	assert_true(fd >= 0);
	forwarder_finish(&f);
	forwarder_done(&f);
	close(fd);
	close(client);
	close(container);
}

/* Landlock has rules about ports since its version 4 (Linux 6.7). */
static bool has_ports(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 4;
}

static int reach(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ? errno : 0;

	close(fd);
	return r;
}

/* In a process of its own, since nothing gives back what it gives up. */
static void it_connects_to_the_port_of_its_container_alone(void **state)
{
	struct sockaddr_in to, other, at;
	int fds[] = { listening(&to), listening(&other) }, status;
	struct alone alone = { .datapath = DATAPATH_SPLICE, .make = make };
	pid_t pid;

	alone.target = (struct addr){ .family = AF_INET, .v4 = to.sin_addr };
	alone.target_port = ntohs(to.sin_port);
	alone.listen_fd = listening(&at);
	failing = 0;
	pid = fork();
	if (pid == 0) {
		if (alone_open(&alone, NULL) < 0)
			_exit(1);
		_exit(reach(&to) != 0 ? 2 : has_ports_there && reach(&other) != EACCES ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
	close(alone.listen_fd);
}

/* Adds the rule @id, to the @n container ports from @first on; its listeners are of 127.0.0.1. */
static void publish(uint32_t id, uint16_t first, uint16_t n)
{
	struct forwarder_request request = { .type = FORWARDER_LISTEN };
	struct sockaddr_in unused;
	int fds[FD_PASS_MAX];

	for (uint16_t i = 0; i < n; i++)
		fds[i] = listening(&unused);
	request.listen.rule = id;
	request.listen.count = n;
	request.listen.container_port = first;
	obey(&request, fds, n);
}

/* Starts with rules to @a, @b and @more ports from 1 on, and is the forwarder for good. */
static void begin(const struct sockaddr_in *a, const struct sockaddr_in *b, uint16_t more,
		  bool is_final)
{
	struct forwarder_request start = { .type = FORWARDER_START };

	f = (struct forwarder){ 0 };
	f.connector.make = make;
	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(forwarder_init(&f, -1), 0);
	publish(1, ntohs(a->sin_port), 1);
	publish(2, ntohs(b->sin_port), 1);
	for (uint16_t i = 0; i < more; i += 64)
		publish(3 + i, i + 1, more - i < 64 ? more - i : 64);
	start.start.target4 = (struct addr){ .family = AF_INET, .v4 = a->sin_addr };
	start.start.is_final = is_final;
	obey(&start, NULL, 0);
}

/* Whether it may connect to the ports of both rules (1, 2), and to another one (4). */
static int reached(uint16_t more, bool is_final)
{
	struct sockaddr_in to[3];
	int fds[] = { listening(&to[0]), listening(&to[1]), listening(&to[2]) }, status;
	pid_t pid = fork();

	if (pid == 0) {
		begin(&to[0], &to[1], more, is_final);
		for (int i = 0; i < 3; i++)
			status = (i ? status : 0) | (reach(&to[i]) == 0) << i;
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	return WEXITSTATUS(status);
}

static void rules_that_are_final_bound_where_it_connects_to(void **state)
{
	int some = has_ports_there ? 1 | 2 : 1 | 2 | 4;

	failing = 0;
	assert_int_equal(reached(0, true), some);
	assert_int_equal(reached(0, false), 1 | 2 | 4);
	assert_int_equal(reached(RULES_FINAL_PORTS - 2, true), some);
	assert_int_equal(reached(RULES_FINAL_PORTS - 1, true), 1 | 2 | 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_ready_and_no_more),
		cmocka_unit_test(clients_wait_until_there_are_sockets_again),
		cmocka_unit_test(it_connects_to_the_port_of_its_container_alone),
		cmocka_unit_test(rules_that_are_final_bound_where_it_connects_to),
	};

	log_init(LOG_ERROR, false);
	has_ports_there = has_ports();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
