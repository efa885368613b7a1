// SPDX-License-Identifier: Apache-2.0
/*
 * What the ICMP child makes of its messages, which a hostile forwarder writes: "port unreachable"
 * for one UDP client, so many in a second, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "forwarder/icmp_child.h"
#include "forwarder/icmp_protocol.h"
#include "supervisor/netns.h"

static struct icmp_refusal refusal(const char *client, const char *local)
{
	struct icmp_refusal r = { .client_port = htons(40000), .local_port = htons(53) };

	assert_int_equal(inet_pton(AF_INET6, client, &r.client), 1);
	assert_int_equal(inet_pton(AF_INET6, local, &r.local), 1);
	return r;
}

static bool is_accepted(const struct icmp_refusal *r)
{
	struct icmp_refusal ret = { .scope = 12345 };
	int result = icmp_refusal_decode(r, sizeof(*r), &ret);

	if (result < 0) {
		assert_int_equal(result, -EBADMSG);
		assert_int_equal(ret.scope, 12345);
		return false;
	}
	assert_memory_equal(&ret, r, sizeof(ret));
	return true;
}

static void addresses(void **state)
{
	static const struct {
		const char *client, *local;
		bool ok;
	} cases[] = {
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", true },
		{ "::ffff:127.0.0.1", "::ffff:127.0.0.1", true },
		{ "::ffff:192.0.2.1", "::ffff:0.0.0.0", true },
		{ "::ffff:192.0.2.1", "::", true },
		{ "2001:db8::1", "2001:db8::2", true },
		{ "2001:db8::1", "::", true },
		{ "::1", "::1", true },
		{ "::ffff:192.0.2.1", "2001:db8::2", false },
		{ "2001:db8::1", "::ffff:192.0.2.2", false },
		{ "2001:db8::1", "::ffff:0.0.0.0", false },
		{ "::ffff:0.0.0.0", "::ffff:192.0.2.2", false },
		{ "::ffff:0.0.0.1", "::ffff:192.0.2.2", false },
		{ "::ffff:224.0.0.1", "::ffff:192.0.2.2", false },
		{ "::ffff:239.255.255.255", "::ffff:192.0.2.2", false },
		{ "::ffff:255.255.255.255", "::ffff:192.0.2.2", false },
		{ "::ffff:192.0.2.1", "::ffff:224.0.0.1", false },
		{ "::ffff:192.0.2.1", "::ffff:255.255.255.255", false },
		{ "::", "2001:db8::2", false },
		{ "::", "::", false },
		{ "ff02::1", "2001:db8::2", false },
		{ "2001:db8::1", "ff02::1", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct icmp_refusal r = refusal(cases[i].client, cases[i].local);

		if (is_accepted(&r) != cases[i].ok)
			fail_msg("%s at %s is %saccepted", cases[i].client, cases[i].local,
				 cases[i].ok ? "not " : "");
	}
}

static void ports_and_scopes(void **state)
{
	struct icmp_refusal r = refusal("2001:db8::1", "2001:db8::2");

	r.scope = 2;
	assert_false(is_accepted(&r));
	r = refusal("fe80::1", "2001:db8::2");
	assert_true(is_accepted(&r));
	r.scope = 2;
	assert_true(is_accepted(&r));
	r = refusal("2001:db8::1", "fe80::2");
	r.scope = 2;
	assert_true(is_accepted(&r));
	r.client_port = 0;
	assert_false(is_accepted(&r));
	r = refusal("::1", "::1");
	r.local_port = 0;
	assert_false(is_accepted(&r));
}

static void lengths(void **state)
{
	struct icmp_refusal r[2] = { refusal("::1", "::1"), refusal("::1", "::1") }, ret;

	for (size_t len = 0; len <= sizeof(r); len++)
		assert_int_equal(icmp_refusal_decode(r, len, &ret),
				 len == sizeof(ret) ? 0 : -EBADMSG);
}

static uint16_t sum(const unsigned char *p, size_t len)
{
	uint32_t total = 0;

	for (size_t i = 0; i < len; i += 2)
		total += (uint32_t)p[i] << 8 | p[i + 1];
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static void packets(void **state)
{
	static const unsigned char ip4[] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17 };
	static const unsigned char addresses4[] = { 192, 0, 2, 1, 192, 0, 2, 2 };
	static const unsigned char udp[] = { 40000 >> 8, 40000 & 0xff, 0, 53, 0, 8, 0, 0 };
	static const unsigned char ip6[] = { 0x60, 0, 0, 0, 0, 8, 17, 64 };
	unsigned char p[ICMP_PACKET_MAX];
	struct icmp_refusal r = refusal("::ffff:192.0.2.1", "::ffff:192.0.2.2");

	assert_int_equal(icmp_refusal_packet(&r, p), 8 + 20 + 8);
	assert_int_equal(p[0], 3);
	assert_int_equal(p[1], 3);
	assert_int_equal(sum(p, 8 + 20 + 8), 0xffff);
	assert_memory_equal(p + 8, ip4, sizeof(ip4));
	assert_int_equal(sum(p + 8, 20), 0xffff);
	assert_memory_equal(p + 20, addresses4, sizeof(addresses4));
	assert_memory_equal(p + 28, udp, sizeof(udp));

	r = refusal("2001:db8::1", "2001:db8::2");
	assert_int_equal(icmp_refusal_packet(&r, p), 8 + 40 + 8);
	assert_int_equal(p[0], 1);
	assert_int_equal(p[1], 4);
	assert_memory_equal(p + 8, ip6, sizeof(ip6));
	assert_memory_equal(p + 16, &r.client, 16);
	assert_memory_equal(p + 32, &r.local, 16);
	assert_memory_equal(p + 48, udp, sizeof(udp));
}

static void rate_of_a_second(void **state)
{
	struct icmp_rate rate = { 0 };
	unsigned int n = 0;

	for (int i = 0; i < 5000; i++)
		n += icmp_may_send(&rate, 7000 + (uint64_t)i % 1000);
	assert_int_equal(n, ICMP_PER_SECOND);
	assert_true(icmp_may_send(&rate, 8000));
}

static uint64_t second(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

/* Says whatever a forwarder can say; what goes out then is in @raw. */
static void say_much(int fd, const struct icmp_refusal *good)
{
	unsigned char noise[256];

	for (unsigned int i = 0; i < 3 * ICMP_PER_SECOND; i++) {
		assert_int_equal(send(fd, good, sizeof(*good), MSG_NOSIGNAL), sizeof(*good));
		memset(noise, (int)i, sizeof(noise));
		/* a length of 0 is its end */
		assert_int_equal(send(fd, noise, 1 + i % sizeof(noise), MSG_NOSIGNAL), 1 + i % sizeof(noise));
	}
}

/* Counts what comes to @raw until its reader is told that all has been sent. */
static unsigned int count_until_end(int raw, int ended)
{
	struct pollfd fds[] = { { .fd = raw, .events = POLLIN }, { .fd = ended, .events = POLLIN } };
	unsigned char p[256];
	unsigned int n = 0;

	for (;;) {
		assert_true(poll(fds, 2, 30000) > 0);
		if (!(fds[0].revents & POLLIN))
			return n;
		assert_int_equal(recv(raw, p, sizeof(p), 0), 20 + 8 + 20 + 8);
		assert_int_equal(p[20], 3);
		assert_int_equal(p[21], 3);
		assert_int_equal(p[28 + 9], IPPROTO_UDP);
		n++;
	}
}

static void child_sends_so_many_and_nothing_else(void **state)
{
	const struct icmp_refusal good = refusal("::ffff:127.0.0.1", "::ffff:127.0.0.1");
	struct child c = { .fd = -1 };
	uint64_t began, seconds;
	int raw, status, large = 8 << 20;
	pid_t speaker;
	unsigned int n;

	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(netns_lo_up(NULL), 0);
	raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	assert_true(raw >= 0);
	assert_int_equal(setsockopt(raw, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large)), 0);
	began = second();
	assert_int_equal(icmp_child_start(&c), 0);
	speaker = fork();
	if (speaker == 0) {
		say_much(c.fd, &good);
		_exit(0);
	}
	assert_int_equal(waitpid(speaker, &status, 0), speaker);
	assert_int_equal(status, 0);
	/* it reads all that is there, and ends */
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	n = count_until_end(raw, c.fd);
	seconds = second() - began + 1;
	assert_true(n >= ICMP_PER_SECOND);
	if (n > seconds * ICMP_PER_SECOND)
		fail_msg("%u within %u seconds", n, (unsigned int)seconds);
	child_end(&c);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	close(raw);
}

static void without_the_capability_there_is_none(void **state)
{
	struct child c = { .fd = -1 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		_exit(icmp_child_start(&c) == -EPERM && c.fd == -1 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Which is a fault, and said to be one: it is not that it may not. */
static void without_descriptors_there_is_none(void **state)
{
	struct child c = { .fd = -1 };
	struct rlimit none;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		getrlimit(RLIMIT_NOFILE, &none);
		none.rlim_cur = 0;
		setrlimit(RLIMIT_NOFILE, &none);
		_exit(icmp_child_start(&c) == -EMFILE && c.fd == -1 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(ports_and_scopes),
		cmocka_unit_test(lengths),
		cmocka_unit_test(packets),
		cmocka_unit_test(rate_of_a_second),
		cmocka_unit_test(without_the_capability_there_is_none),
		cmocka_unit_test(without_descriptors_there_is_none),
		cmocka_unit_test(child_sends_so_many_and_nothing_else),
	};

	log_init(LOG_ERROR, false);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
