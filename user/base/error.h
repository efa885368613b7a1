/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of text about what failed, carried from where it happened to
 * where it is shown: the terminal, podman's stdout or a JSON reply.
 */
#pragma once

#define ERROR_TEXT_MAX 1024

/* The largest errno: MAX_ERRNO of include/linux/err.h. */
#define ERRNO_MAX 4095

struct error {
	/* UTF-8 without control characters, "?" for other bytes; "" when nothing was set */
	char text[ERROR_TEXT_MAX];
};

/*
 * error_set - replace the text. @err may be NULL.
 * Returns @r (a negative errno), so that `return error_set(err, -EINVAL, …)`
 * reads as one step.
 */
int error_set(struct error *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* error_errno - as error_set(), followed by ": " and the text of errno -@r. */
int error_errno(struct error *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * error_wrap - put "…: " in front of the text that is there, or the new text
 * alone when there is none. Returns @r.
 */
int error_wrap(struct error *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Each returns what it was given: where the call is one can see that it is negative, as
 * compilers and analysers can, which otherwise follow the error path as if it were none.
 */
#define error_set(err, r, ...) ERROR_RESULT(error_set, err, r, __VA_ARGS__)
#define error_errno(err, r, ...) ERROR_RESULT(error_errno, err, r, __VA_ARGS__)
#define error_wrap(err, r, ...) ERROR_RESULT(error_wrap, err, r, __VA_ARGS__)
#define ERROR_RESULT(fn, err, r, ...)                                                   \
	({                                                                              \
		const int _result = (r);                                                \
		fn(err, _result, __VA_ARGS__);                                          \
		_result;                                                                \
	})

/*
 * make_printable - put "?" for every byte of @s that is not part of a UTF-8 character, or of
 * one that steers a terminal, as the end of a line does. For what is printed and others named.
 */
void make_printable(char *s);

/*
 * errno_text - the C library's text for an errno in the lower case that Go
 * programs print ("address already in use"), since podman's and docker's
 * tests match it. @r may have either sign. Never NULL; valid until the next
 * call.
 */
const char *errno_text(int r);
