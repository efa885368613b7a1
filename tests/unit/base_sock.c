/* SPDX-License-Identifier: Apache-2.0 */
/* What base/tcp.h, base/udp.h and base/timer.h do to sockets and timers, as the kernel tells. */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/tcp.h"
#include "base/timer.h"
#include "base/udp.h"

/* A little of what the buffers of a connection over loopback take. */
#define SOME 1000

static int fd, other; /* a connection over loopback */

static int number(int of, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_return_code(getsockopt(of, level, option, &value, &len), errno);
	return value;
}

static int connect_both(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(listener, (struct sockaddr *)&at, len), errno);
	assert_return_code(listen(listener, 1), errno);
	assert_return_code(getsockname(listener, (struct sockaddr *)&at, &len), errno);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(fd, (struct sockaddr *)&at, len), errno);
	other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(other, errno);
	close(listener);
	return 0;
}

static int close_both(void **state)
{
	const struct linger reset = { .l_onoff = 1 };

	/* no port stays in TIME_WAIT */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	close(other);
	return 0;
}

static void the_options_are_set(void **state)
{
	assert_int_equal(tcp_set_options(fd), 0);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(number(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15);
	assert_int_equal(number(fd, SOL_SOCKET, SO_OOBINLINE), 1);
	assert_int_equal(tcp_set_options(-1), -EBADF);
}

static void loopback_is_known_by_its_segments(void **state)
{

	assert_true(tcp_is_loopback(fd));
	close_both(NULL);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	other = dup(fd);
	/* before there is a connection it is 536: RFC 9293, 3.7.1 */
	assert_false(tcp_is_loopback(fd));
	assert_false(tcp_is_loopback(-1));
}

static void bounds_of_what_is_unsent_come_and_go(void **state)
{
	int was = number(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);

	tcp_bound_unsent(fd, 4096);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 4096);
	tcp_bound_unsent(fd, 0);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), -1);
	tcp_low_water(fd, true);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 512 << 10);
	tcp_low_water(fd, false);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), -1);
	assert_int_equal(was, 0);
}

static void a_queue_is_short_and_long_again(void **state)
{
	tcp_short_queue(fd, true);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 128 << 10);
	tcp_short_queue(fd, false);
	assert_true(number(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP) >= 1 << 30);
}

/* To a size that is no default. */
static void buffers_are_bounded(void **state)
{
	assert_true(tcp_bound_buffers(fd, 48 << 10));
	assert_int_equal(number(fd, SOL_SOCKET, SO_SNDBUF), 96 << 10);
	assert_int_equal(number(fd, SOL_SOCKET, SO_RCVBUF), 96 << 10);
}

static long limit_of(const char *name)
{
	char path[64];
	long value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/core/%s", name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%ld", &value) != 1)
		value = 0;
	if (f)
		fclose(f);
	return value;
}

static void a_buffer_that_was_cut_is_not_whole(void **state)
{
	/* older kernels have the sysctl in the first network namespace alone: then any that is more */
	long max = limit_of("rmem_max"), bytes = max ? max + max / 2 : 1 << 29;

	assert_false(tcp_bound_buffers(fd, (uint32_t)bytes));
}

static void what_was_written_counts_what_is_queued(void **state)
{
	static const char some[SOME];
	uint64_t before = tcp_written(fd);
	const int on = 1;

	/* corked, so that it stays in the queue */
	assert_return_code(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)), errno);
	assert_int_equal(send(fd, some, sizeof(some), 0), sizeof(some));
	assert_int_equal(tcp_unsent(fd), SOME);
	assert_int_equal(tcp_unacknowledged(fd), SOME);
	assert_int_equal(tcp_written(fd) - before, SOME);
}

static void a_flush_sends_what_is_held_back(void **state)
{
	static const char some[SOME];

	assert_int_equal(send(fd, some, sizeof(some), MSG_MORE), sizeof(some));
	assert_int_equal(tcp_unsent(fd), SOME);
	tcp_flush(fd);
	assert_int_equal(tcp_unsent(fd), 0);
}

static void udp_buffers_are_as_large_as_is_permitted(void **state)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int receives = number(s, SOL_SOCKET, SO_RCVBUF), sends = number(s, SOL_SOCKET, SO_SNDBUF);

	udp_set_buffers(s);
	/* root may have more than the sysctls say */
	assert_true(number(s, SOL_SOCKET, SO_RCVBUF) >= (geteuid() ? receives : 8 << 20));
	assert_true(number(s, SOL_SOCKET, SO_SNDBUF) >= (geteuid() ? sends : 8 << 20));
	close(s);
}

static void udp_sockets_report_where_datagrams_went(void **state)
{
	int v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(udp_tell_local(v4, true, false), 0);
	assert_int_equal(number(v4, IPPROTO_IP, IP_PKTINFO), 1);
	assert_int_equal(udp_tell_local(v4, false, true), -ENOPROTOOPT);
	if (v6 >= 0) {
		assert_int_equal(udp_tell_local(v6, false, true), 0);
		assert_int_equal(number(v6, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
		assert_int_equal(number(v6, IPPROTO_IP, IP_PKTINFO), 0);
		close(v6);
	}
	udp_take_bursts(v4);
	assert_int_equal(number(v4, IPPROTO_UDP, UDP_GRO), 1);
	close(v4);
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

static unsigned int called;

static void on_timer(struct loop_source *source, uint32_t events)
{
	called += timer_expired(source);
}

static void a_timer_expires_once_and_leaves_nothing(void **state)
{
	unsigned int before = count_fds();
	struct loop_source timer = { .fd = -1 };
	struct loop loop;
	uint64_t now;

	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(timer_add(&loop, &timer, on_timer), 0);
	assert_false(timer_expired(&timer));
	called = 0;
	now = timer_now();
	timer_set_us(&timer, 20500);
	assert_int_equal(loop_turn(&loop, 10000), 0);
	assert_int_equal(called, 1);
	assert_true(timer_now() - now >= 20 && timer_now() - now < 5000);
	assert_false(timer_expired(&timer));
	timer_set(&timer, 100000);
	timer_set(&timer, 0); /* and never */
	assert_int_equal(loop_turn(&loop, 0), 0);
	assert_int_equal(called, 1);
	timer_done(&timer);
	assert_int_equal(timer.fd, -1);
	timer_done(&timer);
	loop_done(&loop);
	assert_int_equal(count_fds(), before);
}

/* Of a second's parts the last ones count as well. */
static void a_part_of_a_second_is_set(void **state)
{
	struct loop_source timer = { .fd = -1 };
	struct loop loop;
	uint64_t now;

	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(timer_add(&loop, &timer, on_timer), 0);
	now = timer_now();
	timer_set_us(&timer, 1050000);
	assert_int_equal(loop_turn(&loop, 10000), 0);
	assert_true(timer_now() - now >= 1049);
	timer_done(&timer);
	loop_done(&loop);
}

int main(void)
{
#define CONNECTED(name) cmocka_unit_test_setup_teardown(name, connect_both, close_both)
	static const struct CMUnitTest tests[] = {
		CONNECTED(the_options_are_set),
		CONNECTED(loopback_is_known_by_its_segments),
		CONNECTED(bounds_of_what_is_unsent_come_and_go),
		CONNECTED(a_queue_is_short_and_long_again),
		CONNECTED(buffers_are_bounded),
		CONNECTED(a_buffer_that_was_cut_is_not_whole),
		CONNECTED(what_was_written_counts_what_is_queued),
		CONNECTED(a_flush_sends_what_is_held_back),
		cmocka_unit_test(udp_buffers_are_as_large_as_is_permitted),
		cmocka_unit_test(udp_sockets_report_where_datagrams_went),
		cmocka_unit_test(a_timer_expires_once_and_leaves_nothing),
		cmocka_unit_test(a_part_of_a_second_is_set),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
