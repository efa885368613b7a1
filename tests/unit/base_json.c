/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON: RFC 8259 and nothing else, whatever json-c would take. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *go; /* as Go's %v prints it */
	} cases[] = {
		{ "null", "<nil>" },
		{ " true\n", "true" },
		{ "false", "false" },
		{ "0", "0" },
		{ "-12", "-12" },
		{ "1.5", "1.5" },
		{ "[1,2.0e+3,-0.1E-2]", "[1 2.0e+3 -0.1E-2]" },
		{ "\"a b\"", "a b" },
		{ "\"\\u00e9\\n\\/\\\"\"", "\xc3\xa9\n/\"" },
		{ "[]", "[]" },
		{ "{}", "map[]" },
		{ "{\"desc\":\"bad request: x\",\"class\":null,\"b\":[{\"a\":1}]}",
		  "map[b:[map[a:1]] class:<nil> desc:bad request: x]" },
		{ "{\"a\":1,\"a\":2}", "map[a:2]" },
		{ "[\"\\\\\",\"\\\"N\"]", "[\\ \"N]" },
		{ "{\"N\":\"NaN Infinity 01 /*\"}", "map[N:NaN Infinity 01 /*]" },
		{ "[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]" },
		/* characters of two, three and four bytes, in keys as well; written and escaped */
		{ "{\"jos\xc3\xa9\":\"\xc2\x80 \xe2\x82\xac \xef\xbf\xbf\"}",
		  "map[jos\xc3\xa9:\xc2\x80 \xe2\x82\xac \xef\xbf\xbf]" },
		{ "[\"\xf0\x90\x80\x80\xf0\x9f\x98\x80\",\"\xf4\x8f\xbf\xbf\"]",
		  "[\xf0\x90\x80\x80\xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf]" },
		{ "\"\\ud83d\\ude00\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80" },
		{ "\"\\ud83d\xf0\x9f\x98\x80\"", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
		{ "\"\\\\\xc3\xa9\\n\xc3\xa9\"", "\\\xc3\xa9\n\xc3\xa9" },
		/* integers of 64 bits, and beyond */
		{ "[9223372036854775807,18446744073709551615,-9223372036854775808]",
		  "[9223372036854775807 18446744073709551615 -9223372036854775808]" },
		{ "[18446744073709551616,-9223372036854775809]",
		  "[18446744073709551615 -9223372036854775808]" },
		{ "{\"a\":1000000000000000000000000,\"b\":-1000000000000000000000000}",
		  "map[a:18446744073709551615 b:-9223372036854775808]" },
		{ "[100000000000000000000.5,-1E+30,\"99999999999999999999\"]",
		  "[100000000000000000000.5 -1E+30 99999999999999999999]" },
		{ "99999999999999999999", "18446744073709551615" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { 0 };
		struct json *json;
		char *go;

		if (json_parse(cases[i].text, strlen(cases[i].text), &json, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.text);
		go = json_go_text(json);
		assert_non_null(go);
		assert_string_equal(go, cases[i].go);
		free(go);
		json_free(json);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {
		"{\"a\":1}x", "{\"a\":1,}", "[1,]", "[,]", "{,}", "NaN", "[NaN]",
		"Infinity", "[-Infinity]", "nan", "[TRUE]", "'a'", "{a:1}", "01",
		"[00]", "[-01]", "[1.]", "[.5]", "[+1]", "[1e]", "[-]", "[0x10]",
		"/**/1", "[1]//x", "\"a\tb\"", "\"a\nb\"", "\"\\x\"", "\"\\u12\"",
		"\"\xff\"", "\"\xc0\x80\"", "\v1", "\xef\xbb\xbf{}", "{} {}", "[1 2]",
		"{\"a\" 1}", "[\"a\" \"b\"]", "}", "]", "nulll",
		"\"\\\xc3\xa9\"", "\"\\u12\xc3\xa9\"", "\xc3\xa9", "{\xc3\xa9:1}",
		"\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "[099999999999999999999]",
		"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json *json = (struct json *)cases;
		struct error err = { 0 };

		if (json_parse(cases[i], strlen(cases[i]), &json, &err) != -EINVAL)
			fail_msg("%s was accepted", cases[i]);
		assert_ptr_equal(json, cases);
		assert_memory_equal(err.text, "invalid JSON at byte ", 21);
	}
}

/* Positions are those in the text, whatever json-c is given instead of it. */
static void test_position(void **state)
{
	static const struct {
		const char *text;
		int at;
	} cases[] = {
		{ "[\"abcd\",x]", 8 },
		{ "[\"\xc3\xa9\xc3\xa9\",x]", 8 },
		{ "[\"\xf0\x9f\x98\x80\",x]", 8 },
		{ "{\"\xe2\x82\xac\":\"\xe2\x82\xac\",x", 13 },
		{ "[\"\xc3\xa9\",\"\xff\"]", 7 },
		{ "[\"\xc3\xa9\",\"a\\\xc3\xa9\"]", 9 },
		{ "[\"\xc3\xa9\",\xc3\xa9]", 6 },
		{ "[\"\xc3\xa9\",01]", 6 },
		{ "[99999999999999999999,x]", 22 },
		{ "[-99999999999999999999,\"\xc3\xa9\",x]", 28 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { 0 };
		struct json *json;
		char wanted[40];

		snprintf(wanted, sizeof(wanted), "invalid JSON at byte %d: ", cases[i].at);
		assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), &json, &err),
				 -EINVAL);
		if (strncmp(err.text, wanted, strlen(wanted)) != 0)
			fail_msg("%s: %s, not %s", cases[i].text, err.text, wanted);
	}
}

static void test_cut_short(void **state)
{
	static const char *const cases[] = { "",      " \n", "{",	"[1",
					     "[1,",   "tru", "\"abc", "{\"a\":",
					     "\"\\u0", "[{}", "\"\xc3\xa9",
					     "[\"\xf0\x9f\x98\x80\",", "[-99999999999999999999" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = { 0 };
		struct json *json;

		assert_int_equal(json_parse(cases[i], strlen(cases[i]), &json, &err),
				 -EINVAL);
		if (strcmp(err.text, "unexpected end of JSON input") != 0)
			fail_msg("%s: %s", cases[i], err.text);
	}
}

/* Only @len bytes count, and a NUL among them is none of JSON. */
static void test_length(void **state)
{
	struct error err = { 0 };
	struct json *json;
	int64_t n = 0;

	assert_int_equal(json_parse("[1]xyz", 3, &json, &err), 0);
	json_free(json);
	assert_int_equal(json_parse("12345", 2, &json, &err), 0);
	assert_int_equal(json_int(json, 0, 100, &n), 0);
	assert_int_equal(n, 12);
	json_free(json);
	assert_int_equal(json_parse("{}\0{}", 5, &json, &err), -EINVAL);
	assert_string_equal(err.text,
			    "invalid JSON at byte 2: unexpected character");
	assert_int_equal(json_parse("\"a\0b\"", 5, &json, &err), -EINVAL);
	assert_int_equal(json_parse("\"\\\0\"", 4, &json, &err), -EINVAL);
}

static void test_access(void **state)
{
	static const char text[] = "{\"s\":\"text\",\"n\":65535,\"none\":null,\"r\":1.0,"
				   "\"z\":\"a\\u0000b\",\"big\":99999999999999999999,"
				   "\"low\":-99999999999999999999,"
				   "\"l\":[1,\"2\",null]}";
	const struct json *list;
	struct json *json;
	int64_t n = 77;

	assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
	assert_true(json_is_object(json));
	assert_false(json_is_array(json));
	assert_string_equal(json_string(json_get(json, "s")), "text");
	assert_null(json_string(json_get(json, "n")));
	assert_null(json_string(json_get(json, "z")));
	assert_null(json_get(json, "none"));
	assert_true(json_has(json, "none"));
	assert_false(json_has(json, "nothing"));
	assert_null(json_get(json_get(json, "s"), "s"));
	assert_null(json_get(NULL, "s"));

	assert_int_equal(json_int(json_get(json, "n"), 0, 65534, &n), -EINVAL);
	assert_int_equal(json_int(json_get(json, "n"), 65536, 70000, &n), -EINVAL);
	assert_int_equal(json_int(json_get(json, "s"), 0, 65535, &n), -EINVAL);
	assert_int_equal(json_int(json_get(json, "r"), 0, 65535, &n), -EINVAL);
	assert_int_equal(json_int(NULL, 0, 65535, &n), -EINVAL);
	assert_int_equal(json_int(json_get(json, "big"), INT64_MIN, INT64_MAX, &n),
			 -EINVAL);
	assert_int_equal(json_int(json_get(json, "low"), INT64_MIN, INT64_MAX, &n),
			 -EINVAL);
	assert_int_equal(n, 77);
	assert_int_equal(json_int(json_get(json, "n"), 65535, 65535, &n), 0);
	assert_int_equal(n, 65535);

	list = json_get(json, "l");
	assert_true(json_is_array(list));
	assert_int_equal(json_len(list), 3);
	assert_int_equal(json_len(json), 0);
	assert_int_equal(json_len(NULL), 0);
	assert_string_equal(json_string(json_at(list, 1)), "2");
	assert_null(json_at(list, 2));
	assert_null(json_at(list, 3));
	assert_null(json_at(json, 0));
	json_free(json);
}

static void test_making(void **state)
{
	struct json *report = json_new_object(), *list = json_new_array(), *read;
	struct error err = { 0 };
	char *text;

	json_append(list, json_new_object());
	json_append(list, NULL);
	json_add_string(report, "text", "a \"b\" /\n");
	json_add(report, "list", list);
	json_add_string(report, "text", "the last counts: \xc3\xa9");
	text = json_text(report);
	json_free(report);
	assert_string_equal(text, "{\"text\":\"the last counts: \xc3\xa9\","
				  "\"list\":[{},null]}");
	assert_int_equal(json_parse(text, strlen(text), &read, &err), 0);
	json_free(read);
	free(text);
	/* nothing is made of nothing, and nothing leaks */
	json_add(NULL, "key", json_new_array());
	json_append(NULL, json_new_object());
}

/* As Go's encoding/json has it: in any case, and of several the last one. */
static void test_folded(void **state)
{
	static const char text[] = "{\"Range\":1,\"RANGE\":2,\"other\":3}";
	struct json *json;
	int64_t n = 0;

	assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
	assert_int_equal(json_int(json_get_folded(json, "range"), 0, 9, &n), 0);
	assert_int_equal(n, 2);
	assert_null(json_get_folded(json, "ranges"));
	json_free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_position),
		cmocka_unit_test(test_cut_short), cmocka_unit_test(test_length),
		cmocka_unit_test(test_access),	  cmocka_unit_test(test_making),
		cmocka_unit_test(test_folded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
