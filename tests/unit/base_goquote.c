/* SPDX-License-Identifier: Apache-2.0 */
/* Go's %q. What is expected here was taken from podman 4.3.1's messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/goquote.h"

static const struct {
	const char *text, *quoted;
} CASES[] = {
	{ "", "\"\"" },
	{ "plain text", "\"plain text\"" },
	{ "a\tb\\x\"\xc3\xa9", "\"a\\tb\\\\x\\\"\xc3\xa9\"" },
	{ "boom \"quoted\" \xc3\xa9\ttab\n",
	  "\"boom \\\"quoted\\\" \xc3\xa9\\ttab\\n\"" },
	{ "\a\b\f\v\r\n'`", "\"\\a\\b\\f\\v\\r\\n'`\"" },
	{ "\x01\x1f\x7f", "\"\\x01\\x1f\\x7f\"" },
	/* no UTF-8: lone bytes, cut short, overlong, a surrogate, too high */
	{ "\xff\xc3(", "\"\\xff\\xc3(\"" },
	{ "\xe2\x82", "\"\\xe2\\x82\"" },
	{ "\xc0\x80", "\"\\xc0\\x80\"" },
	{ "\xe0\x80\x80", "\"\\xe0\\x80\\x80\"" },
	{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"" },
	{ "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"" },
	{ "\xf8\x88\x80\x80\x80", "\"\\xf8\\x88\\x80\\x80\\x80\"" },
	/* U+0085 U+00A0 U+00AD U+200B U+2028 U+FEFF U+3000 U+0600 U+2003 */
	{ "\xc2\x85", "\"\\u0085\"" },
	{ "\xc2\xa0\xc2\xad\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf",
	  "\"\\u00a0\\u00ad\\u200b\\u2028\\ufeff\"" },
	{ "\xe3\x80\x80\xd8\x80\xe2\x80\x83", "\"\\u3000\\u0600\\u2003\"" },
	/* U+0378 unassigned, U+E000 private, U+FFFE and U+10FFFF no characters */
	{ "\xcd\xb8\xee\x80\x80\xef\xbf\xbe\xf4\x8f\xbf\xbf",
	  "\"\\u0378\\ue000\\ufffe\\U0010ffff\"" },
	{ "\xf3\xa0\x80\x81", "\"\\U000e0001\"" },
	/* these print: U+0300 alone, U+FFFD when it is meant, U+1F600 */
	{ "\xcc\x80", "\"\xcc\x80\"" },
	{ "\xef\xbf\xbd", "\"\xef\xbf\xbd\"" },
	{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
};

static void test_cases(void **state)
{
	char buf[256];

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		const char *text = CASES[i].text;

		assert_string_equal(goquote(text, strlen(text), buf, sizeof(buf)),
				    CASES[i].quoted);
	}
}

static void test_nul(void **state)
{
	char buf[32];

	assert_string_equal(goquote("a\0b", 3, buf, sizeof(buf)), "\"a\\x00b\"");
}

/* Every size: never written past, cut after a whole character only. */
static void test_cut(void **state)
{
	static const char text[] = "ab\n\xc3\xa9\xe2\x80\x8b\xf3\xa0\x80\x81z";
	static const char whole[] = "\"ab\\n\xc3\xa9\\u200b\\U000e0001z\"";
	char buf[80];

	for (size_t size = GOQUOTE_MIN; size < sizeof(buf); size++) {
		size_t len;

		memset(buf, '#', sizeof(buf));
		assert_ptr_equal(goquote(text, strlen(text), buf, size), buf);
		len = strlen(buf);
		assert_true(len < size);
		for (size_t i = len + 1; i < sizeof(buf); i++)
			assert_int_equal(buf[i], '#');
		if (size >= sizeof(whole) + 3) {
			assert_string_equal(buf, whole);
			continue;
		}
		assert_string_equal(buf + len - 4, "\"...");
		assert_memory_equal(buf, whole, len - 4);
		assert_non_null(strchr("n\xa9" "b1z", whole[len - 5]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_cut),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("base/goquote", tests, NULL, NULL);
}
