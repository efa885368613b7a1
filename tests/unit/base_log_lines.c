/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines are logged, and that no other process keeps this one with its own. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* More lines than a pipe holds. */
#define MUCH 20000

static char text[1 << 17];

/* What @say logs to a pipe, in @text; it must end by itself. */
static void logged(void (*say)(void))
{
	int fds[2], status;
	size_t n = 0;
	ssize_t r;
	pid_t pid;

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		dup2(fds[1], STDERR_FILENO);
		say();
		_exit(0);
	}
	/* first it ends, and then somebody reads */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[1]);
	while ((r = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	close(fds[0]);
}

static void say_all(void)
{
	log_error("an error");
	log_warn("a warning");
	log_info("an information");
	log_debug("a detail");
	log_tell("as it is");
}

static void each_level_has_those_above_it(void **state)
{
	static const char *const wanted[] = {
		[LOG_ERROR] = "portshunt: an error\nas it is\n",
		[LOG_WARN] = "portshunt: an error\nportshunt: warning: a warning\nas it is\n",
		[LOG_INFO] = "portshunt: an error\nportshunt: warning: a warning\n"
			     "portshunt: an information\nas it is\n",
		[LOG_DEBUG] = "portshunt: an error\nportshunt: warning: a warning\n"
			      "portshunt: an information\nportshunt: a detail\nas it is\n",
	};

	for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		log_init(level, false);
		logged(say_all);
		assert_string_equal(text, wanted[level]);
	}
	log_init(LOG_WARN, false);
}

static void what_is_logged_often_is_logged_now_and_then(void **state)
{
	struct log_limit one = { 0 }, other = { 0 };

	assert_true(log_allowed(&one));
	for (int i = 0; i < 1000; i++)
		assert_false(log_allowed(&one));
	assert_true(log_allowed(&other));
}

/* Its descriptors are used up, so standard error cannot be opened again without waiting. */
static void say_much_without_descriptors(void)
{
	const struct rlimit none = { STDERR_FILENO + 1, STDERR_FILENO + 1 };

	setrlimit(RLIMIT_NOFILE, &none);
	log_open();
	if (log_fd() != STDERR_FILENO)
		_exit(1);
	for (int i = 0; i < MUCH; i++)
		log_warn("a line");
}

static void nobody_waits_without_descriptors_either(void **state)
{
	logged(say_much_without_descriptors);
	assert_non_null(strstr(text, "portshunt: warning: a line\n"));
}

static void relay_without_end(void)
{
	/* it can always be read, and has no line's end */
	int fd = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	log_relay_from(fd);
	if (fd < 0 || !log_relay())
		_exit(1);
	log_warn("mine");
}

static void who_writes_without_end_keeps_nobody(void **state)
{
	logged(relay_without_end);
	assert_string_equal(text, "portshunt: warning: mine\n");
}

static void relay_a_long_line(void)
{
	static char junk[40000];
	int fds[2];

	memset(junk, 'x', sizeof(junk));
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0 ||
	    write(fds[1], junk, sizeof(junk)) != sizeof(junk) || write(fds[1], "\nlast\n", 6) != 6)
		_exit(1);
	log_relay_from(fds[0]);
	log_relay();
}

static void after_a_line_that_is_too_long_others_come(void **state)
{
	logged(relay_a_long_line);
	assert_non_null(strstr(text, "last\n"));
	assert_true(strlen(text) < 20000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_level_has_those_above_it),
		cmocka_unit_test(what_is_logged_often_is_logged_now_and_then),
		cmocka_unit_test(nobody_waits_without_descriptors_either),
		cmocka_unit_test(who_writes_without_end_keeps_nobody),
		cmocka_unit_test(after_a_line_that_is_too_long_others_come),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
