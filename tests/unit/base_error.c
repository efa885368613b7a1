/* SPDX-License-Identifier: Apache-2.0 */
/* The error line: what goes in, what comes out, and that it stays one line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void test_set(void **state)
{
	struct error err = { "what was there before" };

	assert_int_equal(error_set(&err, -EINVAL, "option %s: %d", "mtu", 7), -EINVAL);
	assert_string_equal(err.text, "option mtu: 7");
}

static void test_errno(void **state)
{
	struct error err = { "" };

	assert_int_equal(error_errno(&err, -EADDRINUSE, "listen tcp %s: bind", "0.0.0.0:8080"),
			 -EADDRINUSE);
	assert_string_equal(err.text, "listen tcp 0.0.0.0:8080: bind: address already in use");
}

static void test_wrap(void **state)
{
	struct error err = { "no such file" };

	assert_int_equal(error_wrap(&err, -ENOENT, "netns %s", "/x"), -ENOENT);
	assert_string_equal(err.text, "netns /x: no such file");
	assert_int_equal(error_wrap(&err, -EIO, "start"), -EIO);
	assert_string_equal(err.text, "start: netns /x: no such file");
}

static void test_wrap_nothing(void **state)
{
	struct error err = { "" };

	error_wrap(&err, -EIO, "start");
	assert_string_equal(err.text, "start");
}

static void test_no_error_wanted(void **state)
{
	assert_int_equal(error_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(error_errno(NULL, -ENOENT, "x"), -ENOENT);
	assert_int_equal(error_wrap(NULL, -EIO, "x"), -EIO);
}

/* The text may be an argument of its own replacement. */
static void test_own_text_as_argument(void **state)
{
	struct error err = { "inner" };

	error_set(&err, -EIO, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
	error_wrap(&err, -EIO, "%s", err.text);
	assert_string_equal(err.text, "outer (inner): outer (inner)");
}

static void test_stays_one_line(void **state)
{
	struct error err;

	error_set(&err, -EINVAL, "a\nb\rc\td\x1b[31me\x7f" "f");
	assert_string_equal(err.text, "a?b?c?d?[31me?f");
}

/* UTF-8 stays, everything that is not becomes one "?" a byte. */
static void test_utf8(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "é", "é" },
		{ "\u00a0 \u07ff \u0800 \ud7ff \ue000 \uffff", "\u00a0 \u07ff \u0800 \ud7ff \ue000 \uffff" },
		{ "\U00010000 \U0010ffff", "\U00010000 \U0010ffff" },
		{ "\x80", "?" },		     /* a second byte alone */
		{ "\xc3", "?" },		     /* a first byte alone */
		{ "\xc3" "a", "?a" },		     /* the second byte missing */
		{ "\xe2\x82 a", "?? a" },	     /* the third missing */
		{ "\xc0\xaf", "??" },		     /* overlong "/" */
		{ "\xe0\x80\xaf", "???" },
		{ "\xe0\x82\x80", "???" }, /* U+0080, which two bytes have room for */
		{ "\xf0\x80\x80\xaf", "????" },
		{ "\xed\xa0\x80", "???" },	     /* half a surrogate pair */
		{ "\xf4\x90\x80\x80", "????" },	     /* beyond U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", "?????" }, /* five bytes */
		{ "\xfc\x80\x80\x80", "????" },
		{ "\xff", "?" },
		{ "\xc2\x9b" "31m", "??31m" },	     /* CSI in one character */
	};
	struct error err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		error_set(&err, -EINVAL, "<%s>", cases[i].in);
		assert_memory_equal(err.text + 1, cases[i].out, strlen(cases[i].out));
		assert_string_equal(err.text + 1 + strlen(cases[i].out), ">");
	}
}

static void test_too_long(void **state)
{
	char argument[3 * ERROR_TEXT_MAX];
	struct error err;

	memset(argument, 'x', sizeof(argument) - 1);
	argument[sizeof(argument) - 1] = '\0';
	error_set(&err, -EINVAL, "%s", argument);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);

	error_wrap(&err, -EINVAL, "front");
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "front: xxx", 10);

	error_errno(&err, -EIO, "%s", argument);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

/* Where the room ends, no half of a character is left. */
static void test_cut_inside_a_character(void **state)
{
	char argument[ERROR_TEXT_MAX + 1];
	struct error err;

	memset(argument, 'x', sizeof(argument));
	memcpy(argument + ERROR_TEXT_MAX - 2, "é", sizeof("é"));
	error_set(&err, -EINVAL, "%s", argument);
	assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
	assert_int_equal(err.text[ERROR_TEXT_MAX - 2], '?');
}

static void test_errno_text(void **state)
{
	assert_string_equal(errno_text(EADDRINUSE), "address already in use");
	assert_string_equal(errno_text(-EADDRINUSE), "address already in use");
	assert_string_equal(errno_text(-EACCES), "permission denied");
	assert_string_equal(errno_text(-EMFILE), "too many open files");
	/* an abbreviation keeps its capitals, as in Go's table */
	assert_string_equal(errno_text(EDOTDOT), "RFS specific error");
	assert_non_null(errno_text(99999));
}

static void test_printable(void **state)
{
	char steers[] = "\033]2;PWNED\a x\ny\177", utf8[] = "caf\303\251 \302\233 \303";

	make_printable(steers);
	assert_string_equal(steers, "?]2;PWNED? x?y?");
	make_printable(utf8);
	assert_string_equal(utf8, "caf\303\251 ?? ?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_wrap_nothing),
		cmocka_unit_test(test_no_error_wanted),
		cmocka_unit_test(test_own_text_as_argument),
		cmocka_unit_test(test_stays_one_line),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_cut_inside_a_character),
		cmocka_unit_test(test_errno_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
