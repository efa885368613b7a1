/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners as they are opened, adopted, and looked at when somebody else has opened them. */
#include "supervisor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct addr local, other;
static struct error err;

static int begin(void **state)
{
	addr_parse("127.0.0.1", &local);
	addr_parse("127.0.0.2", &other);
	return 0;
}

static int number(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_return_code(getsockopt(fd, level, option, &value, &len), errno);
	return value;
}

/* As many connections may wait as the kernel allows. */
static void assert_long_queue(int fd)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	unsigned int max = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &max), 1);
	fclose(f);
	assert_return_code(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), errno);
	/* of a listener this is the longest queue (tcp_get_info()) */
	assert_int_equal(info.tcpi_sacked, max < 65535 ? max : 65535);
}

static void assert_ours(int fd)
{
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(number(fd, SOL_SOCKET, SO_OOBINLINE), 1);
	assert_int_equal(number(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_long_queue(fd);
}

static const char *fault(int fd, bool udp, const struct addr *host, uint16_t port)
{
	const struct port_spec spec = { .host_addr = *host };

	return listen_fault(fd, udp, &spec, port);
}

static void a_tcp_listener_is_what_it_should_be(void **state)
{
	uint16_t port = 0, same;
	int fd = listen_tcp(&local, &port, &err), second;

	assert_true(fd >= 0 && port);
	assert_ours(fd);
	assert_int_equal(number(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	assert_null(fault(fd, false, &local, port));
	same = port;
	second = listen_tcp(&local, &same, &err);
	assert_int_equal(second, -EADDRINUSE);
	close(fd);
}

static void a_udp_socket_is_what_it_should_be(void **state)
{
	uint16_t port = 0, same;
	int fd = listen_udp(&local, &port, &err);

	assert_true(fd >= 0 && port);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	/* it would hide that the port is busy */
	assert_int_equal(number(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	assert_null(fault(fd, true, &local, port));
	same = port;
	assert_int_equal(listen_udp(&local, &same, &err), -EADDRINUSE);
	close(fd);
}

static void an_ipv6_address_is_that_family_alone(void **state)
{
	const struct addr any = { .family = AF_UNSPEC };
	uint16_t port = 0;
	struct addr v6;
	int fd;

	addr_parse("::1", &v6);
	fd = listen_tcp(&v6, &port, &err);
	if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)
		skip();
	assert_int_equal(number(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	assert_null(fault(fd, false, &v6, port));
	close(fd);
	port = 0;
	fd = listen_tcp(&any, &port, &err);
	assert_int_equal(number(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	assert_null(fault(fd, false, &any, port));
	close(fd);
}

static int bound(int type, uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(fd, (struct sockaddr *)&at, len), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&at, &len), errno);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void what_others_have_opened_becomes_ours(void **state)
{
	uint16_t port;
	int fd = bound(SOCK_STREAM, &port);

	assert_return_code(listen(fd, 1), errno);
	assert_int_equal(listen_adopt(true, fd), -EPROTOTYPE);
	assert_int_equal(listen_adopt(false, fd), 0);
	assert_ours(fd);
	close(fd);
	fd = bound(SOCK_DGRAM, &port);
	assert_int_equal(listen_adopt(false, fd), -EPROTOTYPE);
	assert_int_equal(listen_adopt(true, fd), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	assert_int_equal(listen_adopt(false, -1), -EBADF);
}

static void what_is_not_as_told_is_found(void **state)
{
	const struct addr any = { .family = AF_UNSPEC };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	uint16_t port;
	int fd = bound(SOCK_STREAM, &port);

	assert_string_equal(fault(fd, false, &local, port), "does not listen");
	assert_return_code(listen(fd, 1), errno);
	assert_null(fault(fd, false, &local, port));
	assert_string_equal(fault(fd, true, &local, port), "is no UDP socket");
	assert_string_equal(fault(fd, false, &other, port), "is bound to another address or port");
	assert_string_equal(fault(fd, false, &any, port), "is bound to another address or port");
	assert_string_equal(fault(fd, false, &local, (uint16_t)(port ^ 1)),
			    "is bound to another address or port");
	close(fd);
	fd = bound(SOCK_DGRAM, &port);
	assert_string_equal(fault(fd, false, &local, port), "is no TCP socket");
	assert_null(fault(fd, true, &local, port));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), errno);
	assert_string_equal(fault(fd, true, &local, port), "is connected");
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_listener_is_what_it_should_be),
		cmocka_unit_test(a_udp_socket_is_what_it_should_be),
		cmocka_unit_test(an_ipv6_address_is_that_family_alone),
		cmocka_unit_test(what_others_have_opened_becomes_ours),
		cmocka_unit_test(what_is_not_as_told_is_found),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, NULL);
}
