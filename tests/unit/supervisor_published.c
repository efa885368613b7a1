/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule a request to remove means, and that no number is used twice. */
#include "supervisor/published.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct published_list list;
static struct error err;

static struct port_spec parsed(const char *text)
{
	struct port_spec spec;

	assert_int_equal(spec_parse(text, &spec, NULL), 0);
	return spec;
}

static const struct published *add(const char *text, uint16_t host_port)
{
	struct port_spec spec = parsed(text);

	assert_int_equal(published_reserve(&list, 1, NULL), 0);
	return published_add(&list, &spec, host_port ? host_port : spec.host_port, NULL);
}

static int begin(void **state)
{
	list = (struct published_list){ 0 };
	add("8000-8002:80-82", 0);
	add("9000:80", 0);
	add("80", 30000);
	return 0;
}

static int end(void **state)
{
	published_done(&list);
	return 0;
}

static int find(uint32_t id, uint16_t host_port, const char *spec)
{
	struct port_spec one = spec ? parsed(spec) : (struct port_spec){ 0 };
	const struct control_request request = {
		.id = id, .host_port = host_port, .specs = &one, .n_specs = 1,
	};

	err = (struct error){ "" };
	return published_find(&list, &request, &err);
}

static void a_rule_is_found_by_each_of_its_names(void **state)
{
	assert_int_equal(find(2, 0, NULL), 1);
	assert_int_equal(find(0, 9000, NULL), 1);
	assert_int_equal(find(0, 0, "9000:80"), 1);
	/* as it was asked for, and as it is bound */
	assert_int_equal(find(0, 0, "80"), 2);
	assert_int_equal(find(0, 0, "30000:80"), 2);
}

static void what_is_no_rule_is_not_found(void **state)
{
	assert_int_equal(find(4, 0, NULL), -ENOENT);
	assert_string_equal(err.text, "there is no rule 4");
	assert_int_equal(find(0, 9001, NULL), -ENOENT);
	assert_string_equal(err.text, "no rule has host port 9001");
	/* behind the range */
	assert_int_equal(find(0, 8003, NULL), -ENOENT);
	assert_string_equal(err.text, "no rule has host port 8003");
	assert_int_equal(find(0, 7999, NULL), -ENOENT);
	assert_int_equal(find(0, 0, "9000:80/udp"), -ENOENT);
}

static void one_port_of_a_range_is_not_the_range(void **state)
{
	assert_int_equal(find(0, 8001, NULL), -ENOENT);
	assert_non_null(strstr(err.text, "one of 3 of rule 1"));
}

static void of_two_none_is_meant(void **state)
{
	add("80", 30001);
	assert_int_equal(find(0, 0, "80"), -ENOENT);
	assert_non_null(strstr(err.text, "rules 3 and 4 are both meant"));
	published_remove(&list, 2);
	assert_int_equal(find(0, 0, "80"), 2);
	assert_int_equal(list.list[2].id, 4);
}

static void a_port_is_added_once(void **state)
{
	struct port_spec taken = parsed("8002:90"), free = parsed("8003:90");

	assert_int_equal(published_check(&list, &taken, &err), -EADDRINUSE);
	assert_int_equal(published_check(&list, &free, &err), 0);
}

static void numbers_are_never_used_again(void **state)
{
	published_remove(&list, 2);
	assert_int_equal(add("81", 30002)->id, 4);
	list.last_id = UINT32_MAX - 1;
	assert_int_equal(published_reserve(&list, 2, &err), -EOVERFLOW);
	assert_int_equal(add("82", 30003)->id, UINT32_MAX);
	assert_int_equal(published_reserve(&list, 1, &err), -EOVERFLOW);
}

static void the_list_grows(void **state)
{
	for (uint16_t i = 0; i < 1000; i++)
		add("1", (uint16_t)(40000 + i));
	assert_true(list.room >= list.n);
	for (uint16_t i = 0; i < 1000; i++)
		assert_int_equal(find(0, (uint16_t)(40000 + i), NULL), 3 + i);
	/* many at once: no more than one doubling would do */
	assert_int_equal(published_reserve(&list, 100000, &err), 0);
	assert_true(list.room >= list.n + 100000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(a_rule_is_found_by_each_of_its_names),
		TEST(what_is_no_rule_is_not_found),
		TEST(one_port_of_a_range_is_not_the_range),
		TEST(of_two_none_is_meant),
		TEST(a_port_is_added_once),
		TEST(numbers_are_never_used_again),
		TEST(the_list_grows),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
