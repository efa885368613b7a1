/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port specs. One TAP line a spec; what is accepted was compared with
 * podman 4.3.1 and docker 28, whose readings rule/spec.h lists.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rule/spec.h"

#define BOTH (PROTO_TCP | PROTO_UDP)

struct good {
	const char *text;
	const char *addr; /* NULL: none */
	unsigned int host, container, count, protos;
	const char *again; /* as spec_format() writes it */
};

static const struct good good[] = {
	/* the container's port alone */
	{ "80", NULL, 0, 80, 1, PROTO_TCP, "80/tcp" },
	{ "1", NULL, 0, 1, 1, PROTO_TCP, "1/tcp" },
	{ "65535", NULL, 0, 65535, 1, PROTO_TCP, "65535/tcp" },
	{ ":80", NULL, 0, 80, 1, PROTO_TCP, "80/tcp" },
	{ "80/udp", NULL, 0, 80, 1, PROTO_UDP, "80/udp" },
	{ "80-82", NULL, 0, 80, 3, PROTO_TCP, "80-82/tcp" },
	{ ":80-82", NULL, 0, 80, 3, PROTO_TCP, "80-82/tcp" },
	{ "1-65535", NULL, 0, 1, 65535, PROTO_TCP, "1-65535/tcp" },

	/* host and container */
	{ "8080:80", NULL, 8080, 80, 1, PROTO_TCP, "8080:80/tcp" },
	{ "1:65535", NULL, 1, 65535, 1, PROTO_TCP, "1:65535/tcp" },
	{ "65535:1", NULL, 65535, 1, 1, PROTO_TCP, "65535:1/tcp" },
	{ "8080-8082:80-82", NULL, 8080, 80, 3, PROTO_TCP, "8080-8082:80-82/tcp" },
	{ "8080-8081:1-2", NULL, 8080, 1, 2, PROTO_TCP, "8080-8081:1-2/tcp" },
	{ "1-65535:1-65535", NULL, 1, 1, 65535, PROTO_TCP, "1-65535:1-65535/tcp" },
	{ "65534-65535:1-2", NULL, 65534, 1, 2, PROTO_TCP, "65534-65535:1-2/tcp" },
	{ "008080:0080", NULL, 8080, 80, 1, PROTO_TCP, "8080:80/tcp" },
	{ "000000000000000000000000000000080", NULL, 0, 80, 1, PROTO_TCP, "80/tcp" },
	{ "010-012:0008-10", NULL, 10, 8, 3, PROTO_TCP, "10-12:8-10/tcp" },

	/* with an address */
	{ "127.0.0.1:8080:80", "127.0.0.1", 8080, 80, 1, PROTO_TCP, "127.0.0.1:8080:80/tcp" },
	{ "127.0.0.1::80", "127.0.0.1", 0, 80, 1, PROTO_TCP, "127.0.0.1::80/tcp" },
	{ "127.0.0.1::80-82/udp", "127.0.0.1", 0, 80, 3, PROTO_UDP, "127.0.0.1::80-82/udp" },
	{ "127.0.0.1:9-11:7-9", "127.0.0.1", 9, 7, 3, PROTO_TCP, "127.0.0.1:9-11:7-9/tcp" },
	{ "0.0.0.0:8080:80", "0.0.0.0", 8080, 80, 1, PROTO_TCP, "0.0.0.0:8080:80/tcp" },
	{ "255.255.255.255:1:1", "255.255.255.255", 1, 1, 1, PROTO_TCP, "255.255.255.255:1:1/tcp" },
	{ "[::]:8080:80", "::", 8080, 80, 1, PROTO_TCP, "[::]:8080:80/tcp" },
	{ "[::1]:8080:80", "::1", 8080, 80, 1, PROTO_TCP, "[::1]:8080:80/tcp" },
	{ "[::1]::80", "::1", 0, 80, 1, PROTO_TCP, "[::1]::80/tcp" },
	{ "[::1]::80-81", "::1", 0, 80, 2, PROTO_TCP, "[::1]::80-81/tcp" },
	{ "[2001:DB8:0:0::1]:8080-8081:80-81/udp", "2001:db8::1", 8080, 80, 2, PROTO_UDP,
	  "[2001:db8::1]:8080-8081:80-81/udp" },
	{ "[1:2:3:4:5:6:7:8]:1:1", "1:2:3:4:5:6:7:8", 1, 1, 1, PROTO_TCP,
	  "[1:2:3:4:5:6:7:8]:1:1/tcp" },
	{ "[127.0.0.1]:8080:80", "127.0.0.1", 8080, 80, 1, PROTO_TCP, "127.0.0.1:8080:80/tcp" },
	{ "[::ffff:1.2.3.4]:8080:80", "1.2.3.4", 8080, 80, 1, PROTO_TCP, "1.2.3.4:8080:80/tcp" },
	{ "[::ffff:102:304]::80", "1.2.3.4", 0, 80, 1, PROTO_TCP, "1.2.3.4::80/tcp" },
	{ "[fe80::1%lo]:8080:80", "fe80::1%lo", 8080, 80, 1, PROTO_TCP,
	  "[fe80::1%lo]:8080:80/tcp" },
	{ "[fe80::1%4294967295]::80", "fe80::1%4294967295", 0, 80, 1, PROTO_TCP,
	  "[fe80::1%4294967295]::80/tcp" },

	/* protocols */
	{ "8080:80/tcp", NULL, 8080, 80, 1, PROTO_TCP, "8080:80/tcp" },
	{ "8080:80/udp", NULL, 8080, 80, 1, PROTO_UDP, "8080:80/udp" },
	{ "8080:80/tcp,udp", NULL, 8080, 80, 1, BOTH, "8080:80/tcp,udp" },
	{ "8080:80/udp,tcp", NULL, 8080, 80, 1, BOTH, "8080:80/tcp,udp" },
	{ "8080:80/TCP", NULL, 8080, 80, 1, PROTO_TCP, "8080:80/tcp" },
	{ "8080:80/Udp,tCP", NULL, 8080, 80, 1, BOTH, "8080:80/tcp,udp" },
	{ "[::1]::80/tcp,udp", "::1", 0, 80, 1, BOTH, "[::1]::80/tcp,udp" },
};

struct bad {
	const char *text;
	const char *why; /* behind `invalid port "TEXT": ` */
};

#define EMPTY_ADDR "host address is empty; for every address leave out its colon too"
#define COLONS                                                                 \
	"too many colons; the form is HOST_ADDR:HOST_PORT:CONTAINER_PORT, with an IPv6 address in brackets"
#define COLONS6 "too many colons; after \"]\" come HOST_PORT and CONTAINER_PORT"
#define BRACKET "a bracket out of place; an IPv6 address is written [::1]"
#define RANGE " is not between 1 and 65535"
#define FREE "; for a free one leave it empty"
#define USE "; use tcp, udp or tcp,udp"

static const struct bad bad[] = {
	/* parts that are missing */
	{ "", "container port is missing" },
	{ ":", "container port is missing" },
	{ "80:", "container port is missing" },
	{ "127.0.0.1::", "container port is missing" },
	{ "127.0.0.1:80:", "container port is missing" },
	{ "[::1]::", "container port is missing" },
	{ "/tcp", "container port is missing" },
	{ "::80", EMPTY_ADDR },
	{ ":8080:80", EMPTY_ADDR },
	{ "::", EMPTY_ADDR },
	{ "[]:8080:80", EMPTY_ADDR },
	{ "80/", "protocol is empty" USE },
	{ "8080:80/", "protocol is empty" USE },
	{ "80/,tcp", "protocol is empty" USE },
	{ "80/tcp,", "protocol is empty" USE },
	{ "80/tcp,,udp", "protocol is empty" USE },

	/* ports */
	{ "abc", "container port \"abc\" is not a number" },
	{ "http:80", "host port \"http\" is not a number" },
	{ "8080:http", "container port \"http\" is not a number" },
	{ "0", "container port \"0\"" RANGE },
	{ "8080:0", "container port \"0\"" RANGE },
	{ "0:80", "host port \"0\"" RANGE FREE },
	{ "000:80", "host port \"000\"" RANGE FREE },
	{ "127.0.0.1:0:80", "host port \"0\"" RANGE FREE },
	{ "0-2:80-82", "host port \"0\"" RANGE },
	{ "65536", "container port \"65536\"" RANGE },
	{ "8080:99999", "container port \"99999\"" RANGE },
	{ "65536:80", "host port \"65536\"" RANGE },
	{ "65616:80", "host port \"65616\"" RANGE },
	{ "4294967376:80", "host port \"4294967376\"" RANGE },
	{ "18446744073709551696", "container port \"18446744073709551696\"" RANGE },
	{ "99999999999999999999999:80", "host port \"99999999999999999999999\"" RANGE },
	{ "+8080:80", "host port \"+8080\" is not a number" },
	{ "8080:+80", "container port \"+80\" is not a number" },
	{ "-8080:80", "host port range \"-8080\" is not START-END" },
	{ "8080:-80", "container port range \"-80\" is not START-END" },
	{ " 8080:80", "host port \" 8080\" is not a number" },
	{ "8080 :80", "host port \"8080 \" is not a number" },
	{ "8080: 80", "container port \" 80\" is not a number" },
	{ "8080:80 ", "container port \"80 \" is not a number" },
	{ "80 /tcp", "container port \"80 \" is not a number" },
	{ "0x50:80", "host port \"0x50\" is not a number" },
	{ "8e1:80", "host port \"8e1\" is not a number" },
	{ "8080.5:80", "host port \"8080.5\" is not a number" },
	{ "8080,8081:80", "host port \"8080,8081\" is not a number" },
	{ "127.0.0.1:127.0.0.2:80", "host port \"127.0.0.2\" is not a number" },
	{ "８０", "container port \"８０\" is not a number" },
	{ "127.0.0.1:80",
	  "host port \"127.0.0.1\" is an address, which takes two ports: "
	  "\"127.0.0.1:HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)" },

	/* ranges */
	{ "80-", "container port range \"80-\" is not START-END" },
	{ "8080-:80", "host port range \"8080-\" is not START-END" },
	{ "-", "container port range \"-\" is not START-END" },
	{ "-:80", "host port range \"-\" is not START-END" },
	{ "80--82", "container port range \"80--82\" is not START-END" },
	{ "80-81-82", "container port range \"80-81-82\" is not START-END" },
	{ "80-x", "container port \"x\" is not a number" },
	{ "x-80:80", "host port \"x\" is not a number" },
	{ "80 - 82", "container port \"80 \" is not a number" },
	{ "80-65536", "container port \"65536\"" RANGE },
	{ "82-80", "container port range \"82-80\" does not increase" },
	{ "80-80", "container port range \"80-80\" does not increase" },
	{ "8082-8080:80-82", "host port range \"8082-8080\" does not increase" },
	{ "8080-8082:80", "host and container port ranges have different lengths: 3 vs 1" },
	{ "8080:80-82", "host and container port ranges have different lengths: 1 vs 3" },
	{ "1-65535:1-2", "host and container port ranges have different lengths: 65535 vs 2" },
	{ "127.0.0.1:1-3:1-2", "host and container port ranges have different lengths: 3 vs 2" },

	/* addresses */
	{ "localhost:8080:80", "host address \"localhost\" is not an IP address" },
	{ "*:8080:80", "host address \"*\" is not an IP address" },
	{ "256.0.0.1:8080:80", "host address \"256.0.0.1\" is not an IP address" },
	{ "127.0.0.01:8080:80", "host address \"127.0.0.01\" is not an IP address" },
	{ "127.1:8080:80", "host address \"127.1\" is not an IP address" },
	{ "10.0.0.0/8:8080:80", "container port \"10.0.0.0\" is not a number" },
	{ " 127.0.0.1:8080:80", "host address \" 127.0.0.1\" is not an IP address" },
	{ "[::g]:8080:80", "host address \"::g\" is not an IP address" },
	{ "[localhost]:8080:80", "host address \"localhost\" is not an IP address" },
	{ "[fe80::1]:8080:80",
	  "host address \"fe80::1\" is link-local and needs its interface: \"[fe80::1%eth0]\"" },
	{ "[fe80::1%none0]:8080:80",
	  "host address \"fe80::1%none0\" names an interface that does not exist; "
	  "`ip link` lists those that do" },
	{ "[fe80::1%]:8080:80", "host address \"fe80::1%\" names an interface that does not exist; "
				"`ip link` lists those that do" },

	/* interfaces */
	{ "%eth0:80", "host port \"%eth0\" names an interface, which takes two ports: "
		      "\"%eth0:HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)" },
	{ "10.0.0.1%eth0:80", "host port \"10.0.0.1%eth0\" names an interface, which takes two ports: "
			      "\"10.0.0.1%eth0:HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)" },
	{ "[%eth0]:8080:80",
	  "host address is empty; for every address leave out its colon too" },
	{ "%:8080:80", "interface \"\" is not a name of 1 to 15 characters" },
	{ "10.0.0.1%:8080:80", "interface \"\" is not a name of 1 to 15 characters" },
	{ "%sixteen-letters-:8080:80",
	  "interface \"sixteen-letters-\" is not a name of 1 to 15 characters" },
	{ "%a b:8080:80", "interface \"a b\" is not a name of 1 to 15 characters" },
	{ "%..:8080:80", "interface \"..\" is not a name of 1 to 15 characters" },
	{ "eth0:8080:80", "host address \"eth0\" is not an IP address" },
	{ "10.0.0.256%eth0:8080:80", "host address \"10.0.0.256%eth0\" is not an IP address" },

	/* brackets and colons */
	{ "::1:8080:80", "host address \"::1\" needs brackets: \"[::1]:8080:80\"" },
	{ "::1::80/tcp", "host address \"::1\" needs brackets: \"[::1]::80\"" },
	{ "2001:db8::1:8080-8090:80-90",
	  "host address \"2001:db8::1\" needs brackets: \"[2001:db8::1]:8080-8090:80-90\"" },
	{ "::1:80", COLONS },
	{ ":::80", COLONS },
	{ "1:2:3:4", COLONS },
	{ "127.0.0.1:1:2:3", COLONS },
	{ "[::1:8080:80", "\"[\" without \"]\"" },
	{ "[", "\"[\" without \"]\"" },
	{ "::1]:8080:80", BRACKET },
	{ "127.0.0.1:[80]:80", BRACKET },
	{ "x[::1]:8080:80", BRACKET },
	{ "[::1]8080:80", "a colon must follow \"]\", not \"8080:80\"" },
	{ "[::1]]:8080:80", "a colon must follow \"]\", not \"]:8080:80\"" },
	{ "[::1]", "a host address takes two ports: \"[::1]:HOST_PORT:CONTAINER_PORT\" "
		   "(HOST_PORT may be empty)" },
	{ "[::1]:80", "a host address takes two ports: \"[::1]:HOST_PORT:CONTAINER_PORT\" "
		      "(HOST_PORT may be empty)" },
	{ "[::1]:1:2:3", COLONS6 },
	{ "[::1]:::80", COLONS6 },
	{ "[::1]:[80]:80", "host port \"[80]\" is not a number" },

	/* protocols */
	{ "8080:80/sctp", "unsupported protocol \"sctp\"" USE },
	{ "8080:80/icmp", "unsupported protocol \"icmp\"" USE },
	{ "8080:80/tcp4", "unsupported protocol \"tcp4\"" USE },
	{ "8080:80/tcp ", "unsupported protocol \"tcp \"" USE },
	{ "8080:80/tcp, udp", "unsupported protocol \" udp\"" USE },
	{ "8080:80/tcp,sctp", "unsupported protocol \"sctp\"" USE },
	{ "8080:80/tcp+udp", "unsupported protocol \"tcp+udp\"" USE },
	{ "8080:80/tcp,tcp", "protocol \"tcp\" is given twice" },
	{ "8080:80/udp,UDP", "protocol \"UDP\" is given twice" },
	{ "8080:80/tcp,udp,tcp", "protocol \"tcp\" is given twice" },
	{ "8080:80/tcp/udp", "more than one \"/\"; several protocols are written tcp,udp" },
	{ "8080/tcp:80/tcp", "more than one \"/\"; several protocols are written tcp,udp" },
	{ "80//tcp", "more than one \"/\"; several protocols are written tcp,udp" },
	{ "8080/tcp:80", "unsupported protocol \"tcp:80\"" USE },
};

static bool spec_equal(const struct port_spec *a, const struct port_spec *b)
{
	return spec_same_host(a, b) && a->host_port == b->host_port &&
	       a->container_port == b->container_port && a->count == b->count &&
	       a->protos == b->protos;
}

static void test_good(void **state)
{
	const struct good *c = *state;
	struct addr addr = { .family = AF_UNSPEC };
	struct error err = { "as it was" };
	char buf[SPEC_FORMAT_MAX];
	struct port_spec s, again;

	if (c->addr)
		assert_int_equal(addr_parse(c->addr, &addr), 0);
	if (spec_parse(c->text, &s, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(err.text, "as it was");
	assert_true(addr_equal(&s.host_addr, &addr));
	assert_int_equal(s.host_port, c->host);
	assert_int_equal(s.container_port, c->container);
	assert_int_equal(s.count, c->count);
	assert_int_equal(s.protos, c->protos);

	assert_string_equal(spec_format(&s, buf, sizeof(buf)), c->again);
	assert_int_equal(spec_parse(buf, &again, &err), 0);
	assert_true(spec_equal(&s, &again));
}

static void test_devices(void **state)
{
	static const struct {
		const char *text, *device, *again, *host;
	} cases[] = {
		{ "%eth0:8080:80", "eth0", "%eth0:8080:80/tcp", "%eth0:7" },
		{ "%eth0::80", "eth0", "%eth0::80/tcp", "%eth0:7" },
		{ "%15-letters-long:80:80/udp", "15-letters-long", "%15-letters-long:80:80/udp",
		  "%15-letters-long:7" },
		{ "%%d:8080:80", "%d", "%%d:8080:80/tcp", "%%d:7" },
		{ "10.0.0.1%eth0:8-9:8-9", "eth0", "10.0.0.1%eth0:8-9:8-9/tcp", "10.0.0.1%eth0:7" },
		{ "[10.0.0.1%eth0]:8:8", "eth0", "10.0.0.1%eth0:8:8/tcp", "10.0.0.1%eth0:7" },
		{ "0.0.0.0%eth0::8", "eth0", "0.0.0.0%eth0::8/tcp", "0.0.0.0%eth0:7" },
		{ "[::%eth0]:8:8", "eth0", "[::%eth0]:8:8/tcp", "[::%eth0]:7" },
		{ "[2001:db8::1%eth0]::8", "eth0", "[2001:db8::1%eth0]::8/tcp", "[2001:db8::1%eth0]:7" },
		/* a zone, not an interface */
		{ "[fe80::1%lo]:8:8", "", "[fe80::1%lo]:8:8/tcp", "[fe80::1%lo]:7" },
		{ "8080:80", "", "8080:80/tcp", "0.0.0.0:7" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char buf[SPEC_FORMAT_MAX], host[SPEC_HOST_MAX];
		struct error err = { "" };
		struct port_spec s, again;

		if (spec_parse(cases[i].text, &s, &err) != 0)
			fail_msg("%s", err.text);
		assert_string_equal(s.device, cases[i].device);
		assert_string_equal(spec_format(&s, buf, sizeof(buf)), cases[i].again);
		assert_string_equal(spec_format_host(&s, 7, host), cases[i].host);
		assert_int_equal(spec_parse(buf, &again, &err), 0);
		assert_true(spec_equal(&s, &again));
	}
}

static void test_bad(void **state)
{
	const struct bad *c = *state;
	struct port_spec before, s;
	char expected[ERROR_TEXT_MAX];
	struct error err = { "" };

	memset(&before, 0x5a, sizeof(before));
	s = before;
	assert_int_equal(spec_parse(c->text, &s, &err), -EINVAL);
	assert_memory_equal(&s, &before, sizeof(s));
	snprintf(expected, sizeof(expected), "invalid port \"%s\": %s", c->text, c->why);
	assert_string_equal(err.text, expected);
	assert_int_equal(spec_parse(c->text, &s, NULL), -EINVAL);
}

static void test_not_text(void **state)
{
	struct error err = { "" };
	struct port_spec s;

	assert_int_equal(spec_parse("80\n81", &s, &err), -EINVAL);
	assert_string_equal(err.text,
			    "invalid port \"80?81\": container port \"80?81\" is not a number");
	assert_int_equal(spec_parse("\xff\x1b:80", &s, &err), -EINVAL);
	assert_string_equal(err.text, "invalid port \"??:80\": host port \"??\" is not a number");
}

static void test_length(void **state)
{
	char text[SPEC_TEXT_MAX + 2], expected[ERROR_TEXT_MAX];
	struct error err = { "" };
	struct port_spec s;

	/* the longest that is read */
	memset(text, '0', sizeof(text));
	memcpy(text + SPEC_TEXT_MAX - 2, "80", sizeof("80"));
	assert_int_equal(spec_parse(text, &s, &err), 0);
	assert_int_equal(s.container_port, 80);

	/* the longest whole quotation and part: the reason is still there */
	memset(text, 'x', SPEC_TEXT_MAX);
	assert_int_equal(spec_parse(text, &s, &err), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "invalid port \"%s\": container port \"%.64s\" is not a number", text, text);
	assert_string_equal(err.text, expected);

	/* one more */
	memset(text, '1', SPEC_TEXT_MAX + 1);
	text[SPEC_TEXT_MAX + 1] = '\0';
	assert_int_equal(spec_parse(text, &s, &err), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "invalid port \"%.64s...\": 513 bytes long, at most 512 are read", text);
	assert_string_equal(err.text, expected);
}

/* The two longest messages, with the longest specs that lead to them. */
static void test_longest_messages(void **state)
{
	char text[SPEC_TEXT_MAX + 1];
	struct error err = { "" };
	struct port_spec s;

	memset(text, 'a', SPEC_TEXT_MAX);
	text[SPEC_TEXT_MAX] = '\0';
	text[0] = '[';
	text[SPEC_TEXT_MAX - 1] = ']';
	assert_int_equal(spec_parse(text, &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, ":HOST_PORT:CONTAINER_PORT\" (HOST_PORT may be empty)"));

	memset(text, '0', SPEC_TEXT_MAX);
	memcpy(text, "[fe80::1]:", 10);
	memcpy(text + SPEC_TEXT_MAX - 3, ":80", 3);
	assert_int_equal(spec_parse(text, &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "needs its interface: \"[fe80::1%eth0]\""));
}

static void test_format_short_buffer(void **state)
{
	struct port_spec s;
	char buf[8] = "#######";

	assert_int_equal(spec_parse("127.0.0.1:8080:80", &s, NULL), 0);
	assert_string_equal(spec_format(&s, buf, sizeof(buf)), "127.0.0");
	assert_string_equal(spec_format(&s, buf, 1), "");
	buf[0] = '#';
	spec_format(&s, buf, 0);
	assert_int_equal(buf[0], '#');
}

static void test_format_longest(void **state)
{
	struct port_spec s = {
		.host_addr = { .family = AF_INET6, .scope_id = UINT32_MAX },
		.host_port = 10000,
		.container_port = 20000,
		.count = 10001,
		.protos = BOTH,
	};
	char buf[SPEC_FORMAT_MAX];

	memset(&s.host_addr.v6, 0xfe, sizeof(s.host_addr.v6));
	assert_string_equal(spec_format(&s, buf, sizeof(buf)),
			    "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe%4294967295]:"
			    "10000-20000:20000-30000/tcp,udp");
}

static void test_overlaps(void **state)
{
	static const struct {
		const char *a, *b;
		bool yes;
	} cases[] = {
		{ "80:80", "80:80", true },
		{ "80:80", "80:81", true },
		{ "80:80", "81:80", false },
		{ "80:80/tcp", "80:80/udp", false },
		{ "80:80/tcp,udp", "80:80/udp", true },

		/* ranges */
		{ "80-82:1-3", "82:9", true },
		{ "80-82:1-3", "83:9", false },
		{ "80-82:1-3", "79:9", false },
		{ "80-82:1-3", "80:9", true },
		{ "80-82:1-3", "81:9", true },
		{ "80-82:1-3", "82-90:2-10", true },
		{ "80-82:1-3", "83-90:2-9", false },
		{ "1-65535:1-65535", "65535:1", true },
		{ "65534:1", "65535:1", false },

		/* a free port is nobody's yet */
		{ "80", "80", false },
		{ "80", "80:80", false },
		{ "1-65535", "80:80", false },
		{ "127.0.0.1::80", "127.0.0.1::80", false },

		/* addresses */
		{ "127.0.0.1:80:80", "127.0.0.1:80:81", true },
		{ "127.0.0.1:80:80", "127.0.0.2:80:80", false },
		{ "0.0.0.0:80:80", "127.0.0.1:80:80", true },
		{ "0.0.0.0:80:80", "0.0.0.0:80:80", true },
		{ "80:80", "127.0.0.1:80:80", true },
		{ "80:80", "[::1]:80:80", true },
		{ "80:80", "0.0.0.0:80:80", true },
		{ "80:80", "[::]:80:80", true },
		{ "[::]:80:80", "[::1]:80:80", true },
		{ "[::1]:80:80", "[::1]:80:80", true },
		{ "[::1]:80:80", "[::2]:80:80", false },
		{ "[::]:80:80", "0.0.0.0:80:80", false },
		{ "[::]:80:80", "127.0.0.1:80:80", false },
		{ "[::1]:80:80", "127.0.0.1:80:80", false },
		{ "[::ffff:127.0.0.1]:80:80", "127.0.0.1:80:80", true },
		{ "[fe80::1%1]:80:80", "[fe80::1%1]:80:80", true },
		{ "[fe80::1%1]:80:80", "[fe80::1%2]:80:80", false },
		{ "[fe80::1%1]:80:80", "[::]:80:80", true },
		{ "127.0.0.1:80-90:80-90", "0.0.0.0:85:85", true },

		/* interfaces */
		{ "%eth0:80:80", "%eth0:80:81", true },
		{ "%eth0:80:80", "%eth1:80:80", false },
		{ "%eth0:80:80", "80:80", true },
		{ "%eth0:80:80", "127.0.0.1:80:80", true },
		{ "10.0.0.1%eth0:80:80", "%eth0:80:80", true },
		{ "10.0.0.1%eth0:80:80", "10.0.0.2%eth0:80:80", false },
		{ "10.0.0.1%eth0:80:80", "10.0.0.1%eth1:80:80", false },
		{ "[fe80::1%1]:80:80", "%eth0:80:80", false },
		{ "127.0.0.1:80-90:80-90", "0.0.0.0:85:85/udp", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct port_spec a, b;

		assert_int_equal(spec_parse(cases[i].a, &a, NULL), 0);
		assert_int_equal(spec_parse(cases[i].b, &b, NULL), 0);
		if (spec_overlaps(&a, &b) != cases[i].yes || spec_overlaps(&b, &a) != cases[i].yes)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct CMUnitTest others[] = {
	cmocka_unit_test(test_not_text),
	cmocka_unit_test(test_length),
	cmocka_unit_test(test_longest_messages),
	cmocka_unit_test(test_format_short_buffer),
	cmocka_unit_test(test_format_longest),
	cmocka_unit_test(test_overlaps),
	cmocka_unit_test(test_devices),
};

int main(void)
{
	static struct CMUnitTest tests[COUNT(good) + COUNT(bad) + COUNT(others)];
	static char names[COUNT(good) + COUNT(bad)][64];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(good); i++, n++) {
		snprintf(names[n], sizeof(names[n]), "accepts \"%s\"", good[i].text);
		tests[n] = (struct CMUnitTest){ names[n], test_good, NULL, NULL, (void *)&good[i] };
	}
	for (size_t i = 0; i < COUNT(bad); i++, n++) {
		snprintf(names[n], sizeof(names[n]), "refuses \"%s\"", bad[i].text);
		tests[n] = (struct CMUnitTest){ names[n], test_bad, NULL, NULL, (void *)&bad[i] };
	}
	memcpy(&tests[n], others, sizeof(others));

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rule/spec", tests, NULL, NULL);
}
