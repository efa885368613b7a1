/* SPDX-License-Identifier: Apache-2.0 */
/* What two portshunts say to each other, and what neither believes. */
#include "control/take_over.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error err;

static int parse_state(const char *text)
{
	struct take_over_state state = { 0 };
	struct json *json;
	int r;

	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	r = take_over_state_parse(json, &state, &err);
	json_free(json);
	if (r >= 0)
		take_over_state_done(&state);
	return r;
}

#define STATE(rules) "{\"version\":1,\"last_id\":9,\"netns\":\"4:2\",\"rules\":[" rules "]}"
#define RULE(id, asked, bound) \
	"{\"id\":" id ",\"asked\":\"" asked "\",\"bound\":\"" bound "\"}"

static void a_state_is_read(void **state)
{
	assert_int_equal(parse_state(STATE("")), 0);
	assert_int_equal(parse_state(STATE(RULE("1", "80", "8000:80") "," RULE("9", "1:1", "1:1"))), 0);
}

static void a_state_that_makes_no_sense_is_refused(void **state)
{
	static const char *const cases[] = {
		/* twice, in the wrong order, beyond the last, and none */
		STATE(RULE("1", "80", "8000:80") "," RULE("1", "1:1", "1:1")),
		STATE(RULE("2", "80", "8000:80") "," RULE("1", "1:1", "1:1")),
		STATE(RULE("10", "80", "8000:80")),
		STATE(RULE("0", "80", "8000:80")),
		/* bound elsewhere */
		STATE(RULE("1", "7000:80", "8000:80")),
		STATE(RULE("1", "8000:80", "8000:81")),
		STATE(RULE("1", "80", "80")),
		STATE(RULE("1", "8000:80", "127.0.0.1:8000:80")),
		STATE(RULE("1", "8000:80", "8000:80/udp")),
		"{\"version\":2,\"last_id\":9,\"netns\":\"\",\"rules\":[]}",
		"{\"version\":0,\"last_id\":9,\"netns\":\"\",\"rules\":[]}",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (parse_state(cases[i]) != -EINVAL)
			fail_msg("it is taken: %s", cases[i]);
}

static int parse_request(const char *text)
{
	struct take_over_request request;

	return take_over_request_parse(text, strlen(text), &request, &err);
}

static void sockets_are_asked_for_by_the_batch(void **state)
{
#define SOCKETS(count) "{\"execute\":\"sockets\",\"arguments\":{\"rule\":1,\"protocol\":\"tcp\"," \
		       "\"container_port\":80,\"count\":" count "}}"
	assert_int_equal(parse_request(SOCKETS("64")), 0);
	assert_int_equal(parse_request(SOCKETS("65")), -EINVAL);
	assert_int_equal(parse_request(SOCKETS("0")), -EINVAL);
	assert_int_equal(parse_request("{\"execute\":\"commit\",\"arguments\":{}}"), 0);
	assert_int_equal(parse_request("{\"execute\":\"commit\",\"arguments\":{\"rule\":1}}"), -EINVAL);
	assert_int_equal(parse_request("{\"execute\":\"leave\",\"arguments\":{}}"), -EINVAL);
}

/* A page of so many sessions, each of which is right. */
static int parse_sessions(unsigned int n)
{
	static const char one[] = "{\"rule\":1,\"container_port\":53,\"replied\":true,"
				  "\"client\":\"::1\",\"client_port\":1,\"local\":\"::\",\"scope\":0}";
	char *text = calloc(n + 1, sizeof(one) + 64);
	struct forwarder_sessions sessions;
	struct json *json;
	int r;

	assert_non_null(text);
	strcpy(text, "{\"after\":0,\"sessions\":[");
	for (unsigned int i = 0; i < n; i++)
		sprintf(text + strlen(text), "%s%s", i ? "," : "", one);
	strcat(text, "]}");
	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	r = take_over_sessions_parse(json, &sessions, &err);
	if (r >= 0)
		assert_int_equal(sessions.n, n);
	json_free(json);
	free(text);
	return r;
}

static void a_page_has_so_many_sessions_at_most(void **state)
{
	assert_int_equal(parse_sessions(1), 0);
	assert_int_equal(parse_sessions(FORWARDER_SESSIONS_PAGE), 0);
	assert_int_equal(parse_sessions(FORWARDER_SESSIONS_PAGE + 1), -EINVAL);
	assert_int_equal(parse_sessions(1000), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_read),
		cmocka_unit_test(a_state_that_makes_no_sense_is_refused),
		cmocka_unit_test(sockets_are_asked_for_by_the_batch),
		cmocka_unit_test(a_page_has_so_many_sessions_at_most),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
