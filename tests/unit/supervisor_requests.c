/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the control socket that change the rules: done whole or not at all. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "supervisor/requests.h"
#include "supervisor/supervisor.h"

static char path[64];
static const struct config config = { .netns_path = "/proc/self/ns/net", .control = path };
static struct supervisor s;
static int forwarder; /* its end of the socket */
static uint32_t serial; /* of the latest reply that it will have given */
static struct error err;

static int begin(void **state)
{
	int fds[2];

	log_init(LOG_ERROR, false);
	snprintf(path, sizeof(path), "/tmp/pstest-requests-%d", getpid());
	memset(&s, 0, sizeof(s));
	serial = 0;
	s.config = &config;
	control_server_init(&s.control);
	client_init(&s.forwarder);
	hand_over_init(&s.hand_over);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	s.forwarder.fd = fds[0];
	forwarder = fds[1];
	assert_int_equal(loop_init(&s.loop), 0);
	s.signals.fd = -1;
	assert_int_equal(control_server_open(&s.control, path, &err), 0);
	return requests_start(&s, &err);
}

static int end(void **state)
{
	control_server_done(&s.control);
	loop_done(&s.loop);
	client_done(&s.forwarder, 0);
	published_done(&s.published);
	close(forwarder);
	return 0;
}

/* The reply to the next request that it is waited for. */
static void forwarder_says(int error)
{
	struct forwarder_reply reply = { .error = error, .serial = ++serial };

	assert_int_equal(fd_send(forwarder, &reply, sizeof(reply), NULL, 0), 0);
}

/* What it was asked for next, of rule @rule. */
static void assert_asked(enum forwarder_request_type type, uint32_t rule)
{
	struct forwarder_request request;
	int fds[FD_PASS_MAX];
	size_t n;

	assert_int_equal(fd_recv_some(forwarder, &request, sizeof(request), fds, FD_PASS_MAX, &n),
			 sizeof(request));
	while (n)
		close(fds[--n]);
	assert_int_equal(request.type, type);
	assert_int_equal(type == FORWARDER_LISTEN ? request.listen.rule :
			 type == FORWARDER_OPEN	  ? request.open.rule :
						    request.remove.rule, rule);
}

static void assert_asked_no_more(void)
{
	char unused;

	assert_int_equal(recv(forwarder, &unused, 1, MSG_DONTWAIT), -1);
}

static int execute(const char *text)
{
	struct control_request request;
	struct json *value = NULL;
	int fd = -1, r;

	assert_int_equal(control_request_parse(text, strlen(text), &request, &err), 0);
	r = s.control.fn(s.control.context, &request, &value, &fd, &err);
	control_request_done(&request);
	if (r >= 0)
		json_free(value);
	return r;
}

static int bound(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(fd, (struct sockaddr *)&at, len), errno);
	assert_return_code(listen(fd, 1), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&at, &len), errno);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* A free port of 127.0.0.1 for the container's @port. */
static void add(uint16_t port)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"execute\":\"add\",\"arguments\":{\"spec\":\"127.0.0.1::%u\"}}",
		 port);
	forwarder_says(0);
	forwarder_says(0);
	assert_int_equal(execute(text), 0);
}

static void an_add_is_listened_on_opened_and_numbered(void **state)
{
	add(80);
	assert_asked(FORWARDER_LISTEN, 1);
	assert_asked(FORWARDER_OPEN, 1);
	assert_asked_no_more();
	assert_int_equal(s.published.n, 1);
	assert_int_equal(s.published.list[0].id, 1);
	assert_true(s.published.list[0].bound.host_port > 0);
}

static void an_add_that_fails_is_taken_back_and_its_numbers_are_used_up(void **state)
{
	char text[160];
	uint16_t busy;
	int fd = bound(&busy);

	snprintf(text, sizeof(text), "{\"execute\":\"add\",\"arguments\":{\"specs\":"
		 "[\"127.0.0.1::80\",\"127.0.0.1:%u:81\"]}}", busy);
	forwarder_says(0);
	assert_int_equal(execute(text), -EADDRINUSE);
	assert_asked(FORWARDER_LISTEN, 1);
	/* the second one it was never asked for */
	assert_asked(FORWARDER_REMOVE, 1);
	assert_asked_no_more();
	assert_int_equal(s.published.n, 0);
	forwarder_says(0); /* to the removal, for which nobody waits */
	add(82);
	assert_asked(FORWARDER_LISTEN, 3);
	assert_asked(FORWARDER_OPEN, 3);
	assert_int_equal(s.published.list[0].id, 3);
	close(fd);
}

static void a_port_that_is_published_is_not_asked_for(void **state)
{
	char text[128];

	add(80);
	assert_asked(FORWARDER_LISTEN, 1);
	assert_asked(FORWARDER_OPEN, 1);
	snprintf(text, sizeof(text), "{\"execute\":\"add\",\"arguments\":{\"spec\":\"127.0.0.1:%u:81\"}}",
		 s.published.list[0].bound.host_port);
	assert_int_equal(execute(text), -EADDRINUSE);
	assert_asked_no_more();
	assert_int_equal(s.published.n, 1);
	assert_int_equal(s.published.last_id, 1);
}

static void a_removed_rule_is_published_no_longer(void **state)
{
	add(80);
	assert_asked(FORWARDER_LISTEN, 1);
	assert_asked(FORWARDER_OPEN, 1);
	forwarder_says(0);
	assert_int_equal(execute("{\"execute\":\"remove\",\"arguments\":{\"id\":1}}"), 0);
	assert_asked(FORWARDER_REMOVE, 1);
	assert_int_equal(s.published.n, 0);
}

static void nothing_changes_while_another_one_takes_over(void **state)
{
	int fd = dup(STDERR_FILENO);

	s.hand_over.source.fd = fd;
	assert_int_equal(execute("{\"execute\":\"add\",\"arguments\":{\"spec\":\"80\"}}"), -EBUSY);
	assert_int_equal(execute("{\"execute\":\"remove\",\"arguments\":{\"id\":1}}"), -EBUSY);
	assert_int_equal(execute("{\"execute\":\"reload\",\"arguments\":{\"child_ips\":[\"::1\"]}}"),
			 -EBUSY);
	assert_asked_no_more();
	s.hand_over.source.fd = -1;
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(an_add_is_listened_on_opened_and_numbered),
		TEST(an_add_that_fails_is_taken_back_and_its_numbers_are_used_up),
		TEST(a_port_that_is_published_is_not_asked_for),
		TEST(a_removed_rule_is_published_no_longer),
		TEST(nothing_changes_while_another_one_takes_over),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
