// SPDX-License-Identifier: Apache-2.0
/* Log lines never wait for a reader, are counted when they are dropped, and those of others pass. */
#include "unit/base_log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/loop.h"

/* Of these there may be as many in a second as there are. */
static void say_much(void)
{
	for (int i = 0; i < MUCH; i++)
		log_tell("a line");
}

static void say_one(void)
{
	log_warn("another");
}

static int reader; /* the other end of say_and_drain()'s standard error */

static void say_and_drain(void)
{
	say_much();
	read_text(reader);
	log_warn("there is room");
	log_warn("and more");
}

static void say_drain_and_end(void)
{
	say_much();
	read_text(reader);
	log_last();
}

static void say_drain_and_wait(void)
{
	struct loop loop;

	say_much();
	read_text(reader);
	loop_init(&loop);
	while (log_late_ms() >= 0)
		loop_turn(&loop, -1);
}

static void nobody_waits(int fds[2])
{
	int written, lost, again;

	reader = fds[0];
	in_process(fds[1], say_and_drain);
	read_text(fds[0]);
	assert_int_equal(count("\n"), 3);
	assert_int_equal(sscanf(text, "portshunt: warning: %d log lines were dropped: "
				"nobody read standard error\n", &lost), 1);
	assert_int_equal(count("there is room\n") + count("and more\n"), 2);
	in_process(fds[1], say_much);
	read_text(fds[0]);
	written = count("a line\n");
	assert_int_equal(written + lost, MUCH);
	in_process(fds[1], say_one);
	read_text(fds[0]);
	assert_string_equal(text, "portshunt: warning: another\n");
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	/* nothing more is logged; at the end, or soon, as the loop has it */
	for (int at_end = 0; at_end < 2; at_end++) {
		in_process(fds[1], at_end ? say_drain_and_end : say_drain_and_wait);
		read_text(fds[0]);
		assert_int_equal(sscanf(text, "portshunt: warning: %d log lines were dropped: "
					"nobody read standard error\n", &again), 1);
		assert_int_equal(again, lost);
		assert_int_equal(count("\n"), 1);
	}
	close(fds[0]);
	close(fds[1]);
}

static void test_pipe(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	nobody_waits(fds);
}

static void test_stream_socket(void **state)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	nobody_waits(fds);
}

static void say_the_longest(void)
{
	char quotes[3000];

	memset(quotes, '"', sizeof(quotes) - 1);
	quotes[sizeof(quotes) - 1] = '\0';
	log_warn("%s", quotes);
}

static void test_json(void **state)
{
	int fds[2];

	log_init(LOG_WARN, true);
	assert_int_equal(pipe(fds), 0);
	reader = fds[0];
	in_process(fds[1], say_and_drain);
	read_text(fds[0]);
	assert_int_equal(count("\n"), 3);
	assert_int_equal(count("\"level\":\"warn\""), 3);
	assert_int_equal(count("log lines were dropped"), 1);
	in_process(fds[1], say_the_longest);
	read_text(fds[0]);
	assert_int_equal(count("\\\""), 1919); /* all of it, quoted */
	assert_true(strlen(text) < PIPE_BUF);
	log_init(LOG_WARN, false);
}

static void say_and_check_errno(void)
{
	for (int i = 0; i < MUCH; i++) {
		errno = EXDEV;
		log_warn("a line");
		if (errno != EXDEV)
			_exit(1);
	}
}

/* Who logs an error may look at errno afterwards, whether the line was written or dropped. */
static void test_errno_stays(void **state)
{
	int fds[2];

	for (int json = 0; json < 2; json++) {
		log_init(LOG_WARN, json);
		assert_int_equal(pipe(fds), 0);
		in_process(fds[1], say_and_check_errno);
		close(fds[0]);
		close(fds[1]);
	}
	log_init(LOG_WARN, false);
}

static void test_file(void **state)
{
	char path[] = "/tmp/base_log.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	in_process(fd, say_much);
	lseek(fd, 0, SEEK_SET);
	read_text(fd);
	assert_int_equal(count("a line\n"), MUCH);
	close(fd);
}

static int others[2];

static void say_after_others(void)
{
	log_relay_from(others[0]);
	log_warn("mine");
}

static void test_relayed_lines_come_first(void **state)
{
	static const char lines[] = "one\ntwo \33]2;x\7\177\npart";
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe2(others, O_NONBLOCK), 0);
	assert_int_equal(write(others[1], lines, sizeof(lines) - 1), sizeof(lines) - 1);
	in_process(fds[1], say_after_others);
	read_text(fds[0]);
	assert_string_equal(text, "one\ntwo ?]2;x??\nportshunt: warning: mine\n");
	log_relay_from(others[0]);
	assert_true(log_relay());
	close(others[1]);
	assert_false(log_relay());
	log_relay_from(-1);
}

static void relay_flood(void)
{
	log_relay_from(others[0]);
	log_relay();
}

/* A line without an end is dropped, and a writer without end does not keep the reader. */
static void test_flood(void **state)
{
	char junk[60000];
	int fds[2];

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe2(others, O_NONBLOCK), 0);
	assert_int_equal(write(others[1], junk, sizeof(junk)), sizeof(junk));
	in_process(fds[1], relay_flood);
	read_text(fds[0]);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_stream_socket),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_errno_stays),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_relayed_lines_come_first),
		cmocka_unit_test(test_flood),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
