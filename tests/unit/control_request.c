/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the control socket: what is read, and what is refused, and how. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/reply.h"
#include "control/request.h"
#include "datapath/datapath.h"

static struct control_request parsed(const char *text)
{
	struct control_request request;
	struct error err = { "" };

	if (control_request_parse(text, strlen(text), &request, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return request;
}

static void test_add(void **state)
{
	struct control_request r =
		parsed("{\"execute\":\"add\",\"arguments\":{\"spec\":\"8080:80/udp\"}}");

	assert_int_equal(r.execute, CONTROL_ADD);
	assert_int_equal(r.n_specs, 1);
	assert_int_equal(r.specs[0].host_port, 8080);
	assert_int_equal(r.specs[0].protos, PROTO_UDP);
	control_request_done(&r);
	r = parsed("{\"arguments\":{\"specs\":[\"80\",\"1-2:3-4\"]},\"execute\":\"add\"}");
	assert_int_equal(r.n_specs, 2);
	assert_int_equal(r.specs[1].count, 2);
	assert_int_equal(r.specs[1].datapath, DATAPATH_DEFAULT);
	control_request_done(&r);
	r = parsed("{\"execute\":\"add\",\"arguments\":"
		   "{\"datapath\":\"shunt\",\"specs\":[\"80\",\"81\"]}}");
	assert_int_equal(r.specs[0].datapath, DATAPATH_SHUNT);
	assert_int_equal(r.specs[1].datapath, DATAPATH_SHUNT);
	control_request_done(&r);
	assert_null(r.specs);
}

static void test_remove(void **state)
{
	struct control_request r =
		parsed("{\"execute\":\"remove\",\"arguments\":{\"id\":4294967295}}");

	assert_int_equal(r.execute, CONTROL_REMOVE);
	assert_int_equal(r.id, UINT32_MAX);
	assert_int_equal(r.n_specs, 0);
	assert_false(r.drain);
	r = parsed("{\"execute\":\"remove\",\"arguments\":"
		   "{\"host_port\":65535,\"drain\":true,\"timeout\":604800}}");
	assert_int_equal(r.host_port, 65535);
	assert_true(r.drain);
	assert_int_equal(r.timeout, 604800);
	r = parsed("{\"execute\":\"remove\",\"arguments\":{\"spec\":\"80\",\"drain\":false}}");
	assert_int_equal(r.n_specs, 1);
	assert_false(r.drain);
	control_request_done(&r);
}

static void test_others(void **state)
{
	struct control_request r = parsed(" {\"execute\":\"list\"}\r");

	assert_int_equal(r.execute, CONTROL_LIST);
	r = parsed("{\"execute\":\"list\",\"arguments\":null}");
	r = parsed("{\"execute\":\"stats\",\"arguments\":{\"connections\":10000,\"id\":7}}");
	assert_int_equal(r.execute, CONTROL_STATS);
	assert_int_equal(r.connections, 10000);
	assert_int_equal(r.id, 7);
	r = parsed("{\"execute\":\"reload\",\"arguments\":{\"child_ips\":[\"::1\",\"10.0.2.100\"]}}");
	assert_int_equal(r.execute, CONTROL_RELOAD);
	assert_int_equal(r.child4.family, AF_INET);
	assert_int_equal(r.child6.family, AF_INET6);
	r = parsed("{\"execute\":\"take-over\",\"arguments\":{\"version\":1,\"drain_timeout\":0}}");
	assert_int_equal(r.execute, CONTROL_TAKE_OVER);
	assert_int_equal(r.version, 1);
	assert_int_equal(r.timeout, 0);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "unexpected end of JSON input" },
		{ "7", "a request is an object" },
		{ "{\"execute\":\"Add\"}", "cannot execute \"Add\"" },
		{ "{\"execute\":\"add\",\"arguments\":{\"spec\":\"80\",\"specs\":[]}}", "either" },
		{ "{\"execute\":\"add\",\"arguments\":{\"spec\":null}}", "is a string" },
		{ "{\"execute\":\"add\",\"arguments\":{\"spec\":\"80\\u0000\"}}", "is a string" },
		{ "{\"execute\":\"add\",\"arguments\":{\"specs\":\"80\"}}", "not a list" },
		{ "{\"execute\":\"add\",\"arguments\":{\"specs\":[\"80\",81]}}", "is a string" },
		{ "{\"execute\":\"add\",\"arguments\":{\"spec\":\"0:80\"}}", "invalid port \"0:80\"" },
		{ "{\"execute\":\"add\",\"arguments\":{\"spec\":\"80\",\"datapath\":\"fast\"}}",
		  "unknown datapath \"fast\"" },
		{ "{\"execute\":\"add\",\"arguments\":{\"spec\":\"80\",\"datapath\":4}}",
		  "unknown datapath \"\"" },
		{ "{\"execute\":\"remove\",\"arguments\":{\"id\":0}}", "\"id\" is not a number" },
		{ "{\"execute\":\"remove\",\"arguments\":{\"id\":4294967296}}", "from 1 to 4294967295" },
		{ "{\"execute\":\"remove\",\"arguments\":{\"host_port\":65536}}", "from 1 to 65535" },
		{ "{\"execute\":\"remove\",\"arguments\":{\"id\":1,\"drain\":true,\"timeout\":0}}",
		  "from 1 to 604800" },
		{ "{\"execute\":\"list\",\"arguments\":{\"a\":1}}", "list takes no argument \"a\"" },
		{ "{\"execute\":\"list\",\"arguments\":7}", "not an object" },
		{ "{\"execute\":\"list\",\"Execute\":1}", "unknown member \"Execute\"" },
		{ "{\"execute\":\"take-over\"}", "take-over wants \"version\"" },
		{ "{\"execute\":\"take-over\",\"arguments\":{\"version\":1}}", "take-over wants" },
		{ "{\"execute\":\"take-over\",\"arguments\":{\"version\":0,\"drain_timeout\":1}}",
		  "\"version\" is not a number from 1" },
		{ "{\"execute\":\"take-over\",\"arguments\":{\"version\":1,\"drain_timeout\":604801}}",
		  "from 0 to 604800" },
		{ "{\"execute\":\"reload\",\"arguments\":{\"child_ips\":[null]}}", "is not an IP address" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct control_request request, untouched;
		struct error err = { "" };

		memset(&request, 0x5a, sizeof(request));
		untouched = request;
		assert_int_equal(control_request_parse(cases[i].text, strlen(cases[i].text),
						       &request, &err), -EINVAL);
		assert_memory_equal(&request, &untouched, sizeof(request));
		if (strncmp(err.text, "bad request: ", 13) != 0 || !strstr(err.text, cases[i].why))
			fail_msg("%s: %s, not: %s", cases[i].text, err.text, cases[i].why);
	}
}

static void test_replies(void **state)
{
	char *text = reply_error("a \"b\"\n\x01");

	assert_string_equal(text, "{\"error\":{\"desc\":\"a \\\"b\\\"\\n\\u0001\"}}\n");
	free(text);
	text = reply_return(json_new_object());
	assert_string_equal(text, "{\"return\":{}}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_replies),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
