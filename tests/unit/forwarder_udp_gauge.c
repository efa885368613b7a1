/* SPDX-License-Identifier: Apache-2.0 */
/* The receiver's buffer is looked at from outside, by the addresses of a datagram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "forwarder/udp_gauge.h"

static int gauge_fd;

static int bound(const struct addr *at, struct sockaddr_storage *ret)
{
	int fd = socket(at->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = addr_to_sockaddr(at, 0, ret);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static void watch_it_fill(const char *text)
{
	struct sockaddr_storage from, to;
	struct udp_gauge gauge = { 0 };
	struct addr at;
	uint32_t last;
	int client, server;
	char byte;

	assert_int_equal(addr_parse(text, &at), 0);
	server = bound(&at, &to);
	client = bound(&at, &from);
	assert_int_equal(udp_gauge_read(gauge_fd, &from, &to, &gauge), 0);
	assert_int_equal(gauge.used, 0);
	assert_true(gauge.size > 0);
	assert_true(gauge.is_shared);
	for (int i = 0; i < 10; i++) {
		last = gauge.used;
		assert_int_equal(sendto(client, "a", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		assert_int_equal(udp_gauge_read(gauge_fd, &from, &to, &gauge), 0);
		assert_true(gauge.used > last);
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(recv(server, &byte, 1, 0), 1);
	assert_int_equal(udp_gauge_read(gauge_fd, &from, &to, &gauge), 0);
	assert_int_equal(gauge.used, 0);
	close(client);
	close(server);
}

static void it_fills_v4(void **state)
{
	watch_it_fill("127.0.0.1");
}

static void it_fills_v6(void **state)
{
	struct addr at;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_parse("::1", &at), 0);
	len = addr_to_sockaddr(&at, 0, &ss);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0)
		watch_it_fill("::1");
	close(fd);
}

/* A connected socket takes one sender's, and that one is found by its addresses. */
static void a_connected_one_is_told_apart(void **state)
{
	struct sockaddr_storage one, two, to;
	struct udp_gauge gauge;
	struct addr at;
	int a, b, server;

	assert_int_equal(addr_parse("127.0.0.1", &at), 0);
	a = bound(&at, &one);
	b = bound(&at, &two);
	server = bound(&at, &to);
	assert_int_equal(connect(server, (struct sockaddr *)&one, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(udp_gauge_read(gauge_fd, &one, &to, &gauge), 0);
	assert_false(gauge.is_shared);
	assert_int_equal(udp_gauge_read(gauge_fd, &two, &to, &gauge), -ENOENT);
	close(a);
	close(b);
	close(server);
}

static void nobody_is_there(void **state)
{
	struct sockaddr_storage from, to;
	struct udp_gauge gauge;
	struct addr at;
	int client, server;

	assert_int_equal(addr_parse("127.0.0.1", &at), 0);
	client = bound(&at, &from);
	server = bound(&at, &to);
	close(server);
	assert_int_equal(udp_gauge_read(gauge_fd, &from, &to, &gauge), -ENOENT);
	assert_int_equal(udp_gauge_read(-1, &from, &to, &gauge), -EBADF);
	close(client);
}

/* Of a container's, COMMAND may be what answers: see forwarder/connector_protocol.h. */
static int read_from_liar(const void *said, size_t len)
{
	const struct sockaddr_storage any = { .ss_family = AF_INET };
	struct udp_gauge gauge;
	int fds[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(send(fds[1], said, len, 0), len);
	r = udp_gauge_read(fds[0], &any, &any, &gauge);
	close(fds[0]);
	close(fds[1]);
	return r;
}

static int read_error(int error, size_t cut)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} said = {
		.header = { .nlmsg_len = sizeof(said) - cut, .nlmsg_type = NLMSG_ERROR },
		.error.error = error,
	};

	return read_from_liar(&said, sizeof(said) - cut);
}

static void what_is_no_answer_is_not_believed(void **state)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_msg msg;
		struct rtattr attr;
		uint32_t memory[4];
	} said = {
		.header = { .nlmsg_len = sizeof(said), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.attr = { .rta_len = RTA_LENGTH(sizeof(said.memory)),
			  .rta_type = INET_DIAG_SKMEMINFO },
	};
	size_t cut = sizeof(said) - offsetof(typeof(said), msg);

	assert_int_equal(read_from_liar(&said, sizeof(said)), 0);
	/* the length that it names, and the one that it has */
	assert_int_equal(read_from_liar(&said, sizeof(said) - 1), -EBADMSG);
	said.attr.rta_len = UINT16_MAX;
	assert_int_equal(read_from_liar(&said, sizeof(said)), -EBADMSG);
	said.header.nlmsg_len = sizeof(said.header);
	assert_int_equal(read_from_liar(&said, sizeof(said)), -EBADMSG);
	assert_int_equal(read_from_liar(&said, sizeof(said) - cut), -EBADMSG);
	assert_int_equal(read_from_liar(&said, 1), -EBADMSG);

	assert_int_equal(read_error(-ENOENT, 0), -ENOENT);
	assert_int_equal(read_error(0, 0), -EBADMSG);
	assert_int_equal(read_error(ENOENT, 0), -EBADMSG);
	assert_int_equal(read_error(INT32_MIN, 0), -EBADMSG);
	/* what the buffer has there is of the reply before */
	assert_int_equal(read_error(-ENOENT, sizeof(struct nlmsgerr)), -EBADMSG);
}

static int open_gauge(void **state)
{
	gauge_fd = udp_gauge_open();
	return gauge_fd < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_fills_v4),
		cmocka_unit_test(it_fills_v6),
		cmocka_unit_test(a_connected_one_is_told_apart),
		cmocka_unit_test(nobody_is_there),
		cmocka_unit_test(what_is_no_answer_is_not_believed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, open_gauge, NULL);
}
