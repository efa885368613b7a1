/* SPDX-License-Identifier: Apache-2.0 */
/* The options of --network slirp4netns, and the addresses they lead to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/slirp4netns/addresses.h"
#include "supervisor/slirp4netns/options.h"

static void test_defaults(void **state)
{
	struct slirp4netns_options o;

	slirp4netns_options_init(&o);
	assert_int_equal(o.port_handler, SLIRP4NETNS_PORTS_OURS);
	assert_false(o.allow_host_loopback);
	assert_true(o.enable_ipv6);
	assert_int_equal(o.mtu, 65520);
	assert_string_equal(o.cidr, "");
	assert_string_equal(o.outbound_addr, "");
	assert_string_equal(o.outbound_addr6, "");
}

static void test_all(void **state)
{
	struct slirp4netns_options o;

	slirp4netns_options_init(&o);
	assert_int_equal(slirp4netns_options_parse(
				 &o,
				 "cidr=192.168.7.0/25,port_handler=slirp4netns,"
				 "allow_host_loopback=true,enable_ipv6=false,"
				 "outbound_addr=127.0.0.2,outbound_addr6=lo,mtu=+1500",
				 NULL),
			 0);
	assert_string_equal(o.cidr, "192.168.7.0/25");
	assert_int_equal(o.prefix, 25);
	assert_int_equal(o.port_handler, SLIRP4NETNS_PORTS_API);
	assert_true(o.allow_host_loopback);
	assert_false(o.enable_ipv6);
	assert_string_equal(o.outbound_addr, "127.0.0.2");
	assert_string_equal(o.outbound_addr6, "lo");
	assert_int_equal(o.mtu, 1500);

	/* the later value wins, in one text and in the next */
	assert_int_equal(slirp4netns_options_parse(&o, "mtu=68,mtu=9000", NULL), 0);
	assert_int_equal(slirp4netns_options_parse(&o,
						   "port_handler=rootlesskit,"
						   "outbound_addr6=2001:db8::1,"
						   "outbound_addr=lo",
						   NULL),
			 0);
	assert_int_equal(o.mtu, 9000);
	assert_int_equal(o.port_handler, SLIRP4NETNS_PORTS_OURS);
	assert_string_equal(o.outbound_addr, "lo");
	assert_string_equal(o.outbound_addr6, "2001:db8::1");
	assert_string_equal(o.cidr, "192.168.7.0/25");
}

static const struct {
	const char *text, *error;
} ERRORS[] = {
	{ "", "unknown option for slirp4netns: \"\"" },
	{ "foo", "unknown option for slirp4netns: \"foo\"" },
	{ "foo=1", "unknown option for slirp4netns: \"foo=1\"" },
	{ "cidr", "unknown option for slirp4netns: \"cidr\"" },
	{ "mtu=1500,", "unknown option for slirp4netns: \"\"" },
	{ "mtu=1500,\xff\"", "unknown option for slirp4netns: \"\\xff\\\"\"" },
	{ "MTU=1500", "unknown option for slirp4netns: \"MTU=1500\"" },
	{ " mtu=1500", "unknown option for slirp4netns: \" mtu=1500\"" },
	{ "cidr=", "invalid cidr \"\"" },
	{ "cidr=10.0.2.0", "invalid cidr \"10.0.2.0\"" },
	{ "cidr=10.0.2.0/", "invalid cidr \"10.0.2.0/\"" },
	{ "cidr=10.0.2.0/33", "invalid cidr \"10.0.2.0/33\"" },
	{ "cidr=10.0.2.0/-1", "invalid cidr \"10.0.2.0/-1\"" },
	{ "cidr=10.0.2.0/+24", "invalid cidr \"10.0.2.0/+24\"" },
	{ "cidr=10.0.2.0/24x", "invalid cidr \"10.0.2.0/24x\"" },
	{ "cidr=010.0.2.0/24", "invalid cidr \"010.0.2.0/24\"" },
	{ "cidr=10.0.2/24", "invalid cidr \"10.0.2/24\"" },
	{ "cidr=::1/64", "invalid cidr \"::1/64\"" },
	{ "cidr=a\tb\\x\"", "invalid cidr \"a\\tb\\\\x\\\"\"" },
	{ "port_handler=x", "unknown port_handler for slirp4netns: \"x\"" },
	{ "port_handler=", "unknown port_handler for slirp4netns: \"\"" },
	{ "allow_host_loopback=yes",
	  "invalid value of allow_host_loopback for slirp4netns: \"yes\"" },
	{ "enable_ipv6=TRUE",
	  "invalid value of enable_ipv6 for slirp4netns: \"TRUE\"" },
	{ "enable_ipv6=true=", "invalid value of enable_ipv6 for slirp4netns: "
			       "\"true=\"" },
	{ "outbound_addr=nope", "invalid outbound_addr \"nope\"" },
	{ "outbound_addr=::1", "invalid outbound_addr \"::1\"" },
	{ "outbound_addr6=nope", "invalid outbound_addr6: \"nope\"" },
	{ "outbound_addr6=1.2.3.4", "invalid outbound_addr6: \"1.2.3.4\"" },
	{ "outbound_addr6=::ffff:1.2.3.4",
	  "invalid outbound_addr6: \"::ffff:1.2.3.4\"" },
	{ "outbound_addr6=fe80::1%lo", "invalid outbound_addr6: \"fe80::1%lo\"" },
	{ "mtu=", "invalid mtu \"\"" },
	{ "mtu=67", "invalid mtu \"67\"" },
	{ "mtu=-1500", "invalid mtu \"-1500\"" },
	{ "mtu= 1500", "invalid mtu \" 1500\"" },
	{ "mtu=+70x", "invalid mtu \"+70x\"" },
	{ "mtu=99999999999999999999", "invalid mtu \"99999999999999999999\"" },
};

/* The first error is told, and nothing of the text has an effect. */
static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof(ERRORS) / sizeof(ERRORS[0]); i++) {
		struct slirp4netns_options o, before;
		struct error err = { 0 };

		slirp4netns_options_init(&o);
		assert_int_equal(slirp4netns_options_parse(&o, "mtu=9000", NULL), 0);
		before = o;
		assert_int_equal(slirp4netns_options_parse(&o, ERRORS[i].text, &err),
				 -EINVAL);
		assert_string_equal(err.text, ERRORS[i].error);
		assert_memory_equal(&o, &before, sizeof(o));
	}
}

static void test_long(void **state)
{
	static const char begin[] = "invalid cidr \"111111";
	struct slirp4netns_options o;
	struct error err = { 0 };
	char text[8192] = "cidr=";

	slirp4netns_options_init(&o);
	memset(text + 5, '1', sizeof(text) - 6);
	assert_int_equal(slirp4netns_options_parse(&o, text, &err), -EINVAL);
	assert_memory_equal(err.text, begin, strlen(begin));
	assert_string_equal(err.text + strlen(err.text) - 4, "\"...");
}

static const struct {
	const char *cidr;
	const char *container, *gateway, *dns; /* container NULL: the error */
	const char *error;
} CIDRS[] = {
	{ NULL, "10.0.2.100", "10.0.2.2", "10.0.2.3", NULL },
	{ "192.168.0.0/16", "192.168.0.100", "192.168.0.2", "192.168.0.3", NULL },
	{ "10.11.12.128/25", "10.11.12.228", "10.11.12.130", "10.11.12.131", NULL },
	/* host bits are masked here; slirp4netns refuses them itself */
	{ "10.9.8.7/24", "10.9.8.100", "10.9.8.2", "10.9.8.3", NULL },
	{ "255.255.255.0/24", "255.255.255.100", "255.255.255.2", "255.255.255.3",
	  NULL },
	{ "1.2.3.4/0", "0.0.0.100", "0.0.0.2", "0.0.0.3", NULL },
	{ "10.0.2.0/26", .error = "calculating expected ip for slirp4netns: calculated "
				  "ip address 10.0.2.100 is not within given subnet "
				  "10.0.2.0/26" },
	{ "10.0.2.77/26", .error = "calculating expected ip for slirp4netns: calculated "
				   "ip address 10.0.2.164 is not within given subnet "
				   "10.0.2.64/26" },
	{ "10.0.2.1/32", .error = "calculating expected ip for slirp4netns: calculated "
				  "ip address 10.0.2.101 is not within given subnet "
				  "10.0.2.1/32" },
	{ "255.255.255.192/26",
	  .error = "calculating expected ip for slirp4netns: integer overflow while "
		   "calculating ip address offset, 255.255.255.192 + 100" },
	{ "255.255.255.255/32",
	  .error = "calculating expected ip for slirp4netns: integer overflow while "
		   "calculating ip address offset, 255.255.255.255 + 100" },
};

static void test_addresses(void **state)
{
	for (size_t i = 0; i < sizeof(CIDRS) / sizeof(CIDRS[0]); i++) {
		struct slirp4netns_addresses a = { .prefix = 99 };
		struct slirp4netns_options o;
		char text[64], buf[ADDR_TEXT_MAX];
		struct error err = { 0 };

		slirp4netns_options_init(&o);
		if (CIDRS[i].cidr) {
			snprintf(text, sizeof(text), "cidr=%s", CIDRS[i].cidr);
			assert_int_equal(slirp4netns_options_parse(&o, text, NULL), 0);
			assert_string_equal(o.cidr, CIDRS[i].cidr);
		}
		if (CIDRS[i].error) {
			assert_int_equal(slirp4netns_addresses(&o, &a, &err), -ERANGE);
			assert_string_equal(err.text, CIDRS[i].error);
			assert_int_equal(a.prefix, 99);
			continue;
		}
		assert_int_equal(slirp4netns_addresses(&o, &a, &err), 0);
		assert_string_equal(addr_format(&a.container, buf),
				    CIDRS[i].container);
		assert_string_equal(addr_format(&a.gateway, buf), CIDRS[i].gateway);
		assert_string_equal(addr_format(&a.dns, buf), CIDRS[i].dns);
		assert_int_equal(a.prefix, o.prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_all),
		cmocka_unit_test(test_errors),	 cmocka_unit_test(test_long),
		cmocka_unit_test(test_addresses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("supervisor/slirp4netns options", tests,
					   NULL, NULL);
}
