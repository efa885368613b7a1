/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: text to struct and back, and to and from struct sockaddr. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct addr parsed(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		sa_family_t family;
		const char *again; /* as addr_format() writes it */
	} cases[] = {
		{ "0.0.0.0", AF_INET, "0.0.0.0" },
		{ "127.0.0.1", AF_INET, "127.0.0.1" },
		{ "255.255.255.255", AF_INET, "255.255.255.255" },
		{ "::", AF_INET6, "::" },
		{ "::1", AF_INET6, "::1" },
		{ "2001:DB8:0:0::1", AF_INET6, "2001:db8::1" },
		{ "1:2:3:4:5:6:7:8", AF_INET6, "1:2:3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:7::", AF_INET6, "1:2:3:4:5:6:7:0" },
		{ "64:ff9b::1.2.3.4", AF_INET6, "64:ff9b::102:304" },
		{ "1111:2222:3333:4444:5555:6666:177.177.177.177", AF_INET6,
		  "1111:2222:3333:4444:5555:6666:b1b1:b1b1" },
		{ "::ffff:1.2.3.4", AF_INET, "1.2.3.4" },
		{ "::FFFF:7f00:1", AF_INET, "127.0.0.1" },
		{ "0000:0000:0000:0000:0000:ffff:127.0.0.1", AF_INET, "127.0.0.1" },
	};
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct addr a = parsed(cases[i].text);

		assert_int_equal(a.family, cases[i].family);
		assert_int_equal(a.scope_id, 0);
		assert_string_equal(addr_format(&a, buf), cases[i].again);
	}
}

static void test_parse_bad(void **state)
{
	static const char *const cases[] = {
		"", " ", "1", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.-4",
		"01.2.3.4", "0x7f.0.0.1", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/24", "1.2.3.4%lo",
		"127.1", "*", "[::1]", ":", ":::", "1::2::3", "12345::", "::1 ", "::g",
		"1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1.2.3", "%", "%lo",
		"::ffff:1.2.3.4%lo",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
		/* one more than the longest: a sanitizer sees where it is put */
		"0000:0000:0000:0000:0000:ffff:255.255.255.2555",
	};
	struct addr before, a;

	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		a = before;
		if (addr_parse(cases[i], &a) != -EINVAL)
			fail_msg("\"%s\" is not refused", cases[i]);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void test_zone(void **state)
{
	unsigned int lo = if_nametoindex("lo");
	char text[64], buf[ADDR_TEXT_MAX];
	struct addr a;

	assert_int_not_equal(lo, 0);
	a = parsed("fe80::1%lo");
	assert_int_equal(a.family, AF_INET6);
	assert_int_equal(a.scope_id, lo);
	assert_string_equal(addr_format(&a, buf), "fe80::1%lo");
	assert_string_equal(addr_format_port(&a, 80, buf), "[fe80::1%lo]:80");

	snprintf(text, sizeof(text), "fe80::1%%%u", lo);
	a = parsed(text);
	assert_int_equal(a.scope_id, lo);
}

/* A number needs no interface (RFC 4007), a name does. */
static void test_zone_without_interface(void **state)
{
	char buf[ADDR_TEXT_MAX];
	struct addr a = parsed("fe80::1%4294967295");

	assert_true(a.scope_id == UINT32_MAX);
	assert_string_equal(addr_format(&a, buf), "fe80::1%4294967295");
	assert_string_equal(addr_format_port(&a, 65535, buf), "[fe80::1%4294967295]:65535");
}

static void test_zone_bad(void **state)
{
	static const char *const cases[] = {
		"fe80::1%", "fe80::1%0", "fe80::1%-1", "fe80::1%+1", "fe80::1% 1",
		"fe80::1%4294967296", "fe80::1%4294967297", "fe80::1%18446744073709551617", "fe80::1%1x",
		"fe80::1%no-such-if", "fe80::1%a-name-that-no-interface-can-have", "fe80::1%lo%lo",
	};
	struct addr a = { .family = 77 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (addr_parse(cases[i], &a) != -ENODEV)
			fail_msg("\"%s\" is not refused", cases[i]);
		assert_int_equal(a.family, 77);
	}
}

static void test_format_port(void **state)
{
	struct addr a, none = { .family = AF_UNSPEC };
	char buf[ADDR_TEXT_MAX];

	a = parsed("255.255.255.255");
	assert_string_equal(addr_format_port(&a, 65535, buf), "255.255.255.255:65535");
	a = parsed("::");
	assert_string_equal(addr_format_port(&a, 0, buf), "[::]:0");
	assert_string_equal(addr_format_port(&none, 8080, buf), "0.0.0.0:8080");
}

/* The longest text there is fits, with its NUL, in ADDR_TEXT_MAX. */
static void test_longest(void **state)
{
	struct addr a = { .family = AF_INET6, .scope_id = 4000000000U };
	char buf[ADDR_TEXT_MAX + 1];

	memset(&a.v6, 0xfe, sizeof(a.v6));
	buf[ADDR_TEXT_MAX] = '#';
	assert_string_equal(addr_format_port(&a, 65535, buf),
			    "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe%4000000000]:65535");
	assert_int_equal(buf[ADDR_TEXT_MAX], '#');
}

static void test_equal(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "::7f00:1", "fe80::1%1", "fe80::1%2",
	};
	struct addr none = { .family = AF_UNSPEC }, none2 = { .family = AF_UNSPEC };
	struct addr mapped = parsed("::ffff:127.0.0.1"), plain = parsed("127.0.0.1");

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		for (size_t j = 0; j < sizeof(texts) / sizeof(*texts); j++) {
			struct addr a = parsed(texts[i]), b = parsed(texts[j]);

			assert_int_equal(addr_equal(&a, &b), i == j);
		}
		struct addr a = parsed(texts[i]);

		assert_false(addr_equal(&a, &none));
		assert_false(addr_equal(&none, &a));
	}
	memset(&none2.v6, 0xff, sizeof(none2.v6));
	assert_true(addr_equal(&none, &none2));
	assert_true(addr_equal(&mapped, &plain));
}

/* Strangers must not come in as loopback however its address is written. */
static void test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool yes;
	} cases[] = {
		{ "127.0.0.1", true },	{ "127.255.255.254", true }, { "::1", true },
		{ "::ffff:127.0.0.1", true }, { "126.255.255.255", false }, { "128.0.0.1", false },
		{ "0.0.0.0", false },	{ "::", false },	     { "::2", false },
		{ "1.0.0.127", false }, { "::127.0.0.1", false },
	};
	struct addr none = { .family = AF_UNSPEC };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct addr a = parsed(cases[i].text);

		assert_int_equal(addr_is_loopback(&a), cases[i].yes);
	}
	assert_false(addr_is_loopback(&none));
}

static void test_sockaddr(void **state)
{
	static const char *const texts[] = { "1.2.3.4", "2001:db8::1", "fe80::1%7" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct addr a = parsed(texts[i]), b;
		struct sockaddr_storage ss;
		uint16_t port = 0;

		memset(&ss, 0xff, sizeof(ss));
		assert_int_equal(addr_to_sockaddr(&a, 0x1234, &ss),
				 a.family == AF_INET ? sizeof(struct sockaddr_in) :
						       sizeof(struct sockaddr_in6));
		assert_int_equal(ss.ss_family, a.family);
		assert_int_equal(addr_from_sockaddr(&ss, &b, &port), 0);
		assert_int_equal(port, 0x1234);
		assert_true(addr_equal(&a, &b));
		assert_int_equal(addr_from_sockaddr(&ss, &b, NULL), 0);
	}
}

static void test_sockaddr_none(void **state)
{
	struct addr none = { .family = AF_UNSPEC };
	struct sockaddr_storage ss;
	struct sockaddr_in in;

	memset(&none.v6, 0xff, sizeof(none.v6));
	assert_int_equal(addr_to_sockaddr(&none, 80, &ss), sizeof(in));
	memcpy(&in, &ss, sizeof(in));
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(in.sin_port, htons(80));
	assert_int_equal(in.sin_addr.s_addr, INADDR_ANY);
}

static void test_from_sockaddr(void **state)
{
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(443),
		.sin6_scope_id = 3,
	};
	struct sockaddr_storage ss = { 0 };
	char buf[ADDR_TEXT_MAX];
	struct addr a = { .family = 77 };
	uint16_t port = 1;

	/* the peer of a dual-stack socket */
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.0.2.2", &in6.sin6_addr), 1);
	memcpy(&ss, &in6, sizeof(in6));
	assert_int_equal(addr_from_sockaddr(&ss, &a, &port), 0);
	assert_string_equal(addr_format_port(&a, port, buf), "10.0.2.2:443");
	assert_int_equal(a.scope_id, 0);

	ss.ss_family = AF_UNIX;
	a.family = 77;
	port = 1;
	assert_int_equal(addr_from_sockaddr(&ss, &a, &port), -EAFNOSUPPORT);
	assert_int_equal(a.family, 77);
	assert_int_equal(port, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_zone_without_interface),
		cmocka_unit_test(test_zone_bad),
		cmocka_unit_test(test_format_port),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_sockaddr),
		cmocka_unit_test(test_sockaddr_none),
		cmocka_unit_test(test_from_sockaddr),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("base/addr", tests, NULL, NULL);
}
