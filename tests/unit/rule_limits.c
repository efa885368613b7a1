/* SPDX-License-Identifier: Apache-2.0 */
/* What --limit and --rule-limit read, and how they refuse. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rule/limits.h"

static void reads(void **state)
{
	struct limits l = { 0 };
	struct error err = { "" };

	assert_int_equal(limits_parse("connections=1", true, &l, &err), 0);
	assert_int_equal(limits_parse("connect-rate=20,half-open=3,idle-timeout=4", true, &l, &err), 0);
	assert_int_equal(limits_parse("udp-sessions=1000000000", true, &l, &err), 0);
	assert_int_equal(limits_parse("connections=off,half-open=5", true, &l, &err), 0);
	assert_int_equal(l.of[LIMIT_CONNECTIONS], LIMIT_OFF);
	assert_int_equal(l.of[LIMIT_CONNECT_RATE], 20);
	assert_int_equal(l.of[LIMIT_HALF_OPEN], 5);
	assert_int_equal(l.of[LIMIT_UDP_SESSIONS], 1000000000);
	assert_int_equal(l.of[LIMIT_IDLE_TIMEOUT], 4);
	assert_string_equal(err.text, "");
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "there is no limit \"\": use connections, connect-rate, half-open, "
		      "udp-sessions or idle-timeout" },
		{ "conections=5", "there is no limit \"conections\": use connections, "
				  "connect-rate, half-open, udp-sessions or idle-timeout" },
		{ "connections=5,", "there is no limit \"\": use connections, connect-rate, "
				    "half-open, udp-sessions or idle-timeout" },
		{ "connections", "connections wants a value: connections=N or connections=off" },
		{ "connections=", "\"\" is neither a number from 1 to 1000000000 nor off" },
		{ "connections=0", "\"0\" is neither a number from 1 to 1000000000 nor off" },
		{ "connections=-1", "\"-1\" is neither a number from 1 to 1000000000 nor off" },
		{ "connections=5k", "\"5k\" is neither a number from 1 to 1000000000 nor off" },
		{ "connections=1000000001",
		  "\"1000000001\" is neither a number from 1 to 1000000000 nor off" },
		{ "connections=99999999999999999999999",
		  "\"99999999999999999999999\" is neither a number from 1 to 1000000000 nor off" },
		{ "idle-timeout=5,half-open=offf",
		  "\"offf\" is neither a number from 1 to 1000000000 nor off" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct limits l = { { 7, 7, 7, 7, 7 } }, same = l;
		struct error err = { "" };

		assert_int_equal(limits_parse(bad[i].text, true, &l, &err), -EINVAL);
		assert_string_equal(err.text, bad[i].why);
		assert_memory_equal(&l, &same, sizeof(l));
	}
}

static void of_all_together(void **state)
{
	struct limits l = { 0 };
	struct error err = { "" };

	assert_int_equal(limits_parse("idle-timeout=5,connections=1", false, &l, &err), -EINVAL);
	assert_string_equal(err.text,
			    "idle-timeout is a limit of each rule: --rule-limit idle-timeout=5");
	assert_int_equal(limits_parse("nothing=5", false, &l, &err), -EINVAL);
	assert_string_equal(err.text, "there is no limit \"nothing\": use connections, "
				      "connect-rate, half-open or udp-sessions");
	assert_int_equal(limits_parse("connections=5", false, &l, &err), 0);
	assert_int_equal(l.of[LIMIT_CONNECTIONS], 5);
}

static void formats(void **state)
{
	struct limits l = { 0 }, more = { 0 }, all;
	struct error err = { "" };
	char text[LIMITS_FORMAT_MAX];

	assert_string_equal(limits_format(&l, text), "");
	l = RULE_LIMITS_DEFAULT;
	assert_string_equal(limits_format(&l, text), "half-open=1024");
	assert_int_equal(limits_parse("connections=9,half-open=off", true, &more, &err), 0);
	limits_merge(&l, &more);
	assert_string_equal(limits_format(&l, text), "connections=9");
	for (int i = 0; i < LIMITS; i++)
		all.of[i] = LIMIT_MAX;
	limits_format(&all, text);
	memset(&more, 0, sizeof(more));
	assert_int_equal(limits_parse(text, true, &more, &err), 0);
	assert_memory_equal(&all, &more, sizeof(all));
	for (int i = 0; i < LIMITS; i++)
		assert_int_equal(strcspn(limit_name(i), "-"), strcspn(limit_keys[i], "_"));
	assert_null(limit_keys[LIMITS]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(of_all_together),
		cmocka_unit_test(formats),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rule/limits", tests, NULL, NULL);
}
