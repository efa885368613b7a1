/* SPDX-License-Identifier: Apache-2.0 */
/* A portshunt that is taken over from, and a taker that does not come to an end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"
#include "control/take_over.h"
#include "supervisor/supervisor.h"

static const struct config config = { .netns_path = "/proc/self/ns/net" };
static struct supervisor s;
static int taker, forwarder;

static int begin(void **state)
{
	struct control_request request = { .execute = CONTROL_TAKE_OVER, .version = TAKE_OVER_VERSION };
	struct json *json = NULL;
	struct error err;
	int fds[2];

	memset(&s, 0, sizeof(s));
	s.config = &config;
	control_server_init(&s.control);
	s.control.socket.path = "/nowhere/control";
	client_init(&s.forwarder);
	hand_over_init(&s.hand_over);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	s.forwarder.fd = fds[0];
	forwarder = fds[1];
	assert_int_equal(loop_init(&s.loop), 0);
	assert_int_equal(hand_over_begin(&s, &request, &json, &taker, &err), 0);
	json_free(json);
	return 0;
}

static int end(void **state)
{
	hand_over_end(&s.hand_over);
	loop_done(&s.loop);
	client_done(&s.forwarder, 0);
	close(forwarder);
	close(taker);
	return 0;
}

/* The reply that the forwarder will have given. */
static void forwarder_says(uint32_t serial)
{
	const struct forwarder_reply reply = { .serial = serial };

	assert_int_equal(fd_send(forwarder, &reply, sizeof(reply), NULL, 0), 0);
}

static void ask(const char *step)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"execute\":\"%s\",\"arguments\":{}}", step);
	assert_int_equal(fd_send(taker, text, strlen(text), NULL, 0), 0);
}

static void commit(void)
{
	ask("commit");
}

static void assert_said(const char *expected)
{
	char text[TAKE_OVER_MESSAGE_MAX];
	ssize_t len = recv(taker, text, sizeof(text), MSG_DONTWAIT);

	assert_true(len > 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(text, expected, strlen(expected));
}

/* It was committed to: the forwarder is told to take new clients again. */
static void assert_goes_on(void)
{
	struct forwarder_request request = { 0 };

	assert_int_equal(s.hand_over.source.fd, -1);
	assert_int_equal(hand_over_check(&s, NULL), 0);
	assert_int_equal(recv(forwarder, &request, sizeof(request), MSG_DONTWAIT), sizeof(request));
	assert_int_equal(request.type, FORWARDER_PAUSE);
	assert_true(request.pause);
	assert_int_equal(recv(forwarder, &request, sizeof(request), MSG_DONTWAIT), sizeof(request));
	assert_int_equal(request.type, FORWARDER_PAUSE);
	assert_false(request.pause);
}

/* However often it says something in time. */
static void a_taker_that_keeps_asking_is_given_up(void **state)
{
	forwarder_says(1);
	commit();
	assert_return_code(loop_turn(&s.loop, -1), errno);
	assert_said("{\"return\":{}}\n");
	assert_in_range(s.hand_over.end - timer_now(), TAKE_OVER_SECONDS * 1000, TAKE_OVER_HANDING_MS);
	s.hand_over.end = timer_now();
	commit();
	assert_return_code(loop_turn(&s.loop, -1), errno);
	assert_said("{\"error\":{\"desc\":\"it took too long\"}}\n");
	assert_goes_on();
}

/* It has begun, and waits for this one, which was stopped, perhaps. */
static void a_taker_that_is_done_is_heeded_however_late(void **state)
{
	forwarder_says(1);
	commit();
	assert_return_code(loop_turn(&s.loop, -1), errno);
	assert_said("{\"return\":{}}\n");
	s.hand_over.end = timer_now();
	forwarder_says(2);
	ask("done");
	assert_return_code(loop_turn(&s.loop, -1), errno);
	assert_said("{\"return\":{\"connections\":0}}\n");
	assert_true(s.hand_over.is_done);
}

/* The step's time would be five seconds. */
static void the_last_word_is_waited_for_no_longer_than_the_whole(void **state)
{
	struct itimerspec left;

	forwarder_says(1);
	commit();
	s.hand_over.end = timer_now() + 2000;
	assert_return_code(loop_turn(&s.loop, -1), errno);
	/* on a slow machine that time is over */
	if (s.hand_over.source.fd < 0)
		return;
	assert_int_equal(timerfd_gettime(s.hand_over.timer.fd, &left), 0);
	assert_true(left.it_value.tv_sec <= 2);
}

static long ms_left(void)
{
	struct itimerspec left;

	assert_int_equal(timerfd_gettime(s.hand_over.timer.fd, &left), 0);
	return left.it_value.tv_sec * 1000 + left.it_value.tv_nsec / 1000000;
}

/* From the beginning, and after each of its words. */
static void a_taker_that_says_nothing_has_its_time(void **state)
{
	assert_in_range(ms_left(), 1, TAKE_OVER_STEP_MS);
	forwarder_says(1);
	commit();
	timer_set(&s.hand_over.timer, 0);
	assert_return_code(loop_turn(&s.loop, -1), errno);
	assert_said("{\"return\":{}}\n");
	assert_in_range(ms_left(), 1, TAKE_OVER_STEP_MS);
	timer_set(&s.hand_over.timer, 1);
	assert_return_code(loop_turn(&s.loop, 10000), errno);
	assert_said("{\"error\":{\"desc\":\"it has said nothing for too long\"}}\n");
	assert_goes_on();
}

/* Sessions and listeners would be in two forwarders, and rules changed that it has already. */
static void sessions_come_after_commit_and_no_rule_changes(void **state)
{
	assert_int_equal(hand_over_check(&s, NULL), -EBUSY);
	ask("done");
	assert_return_code(loop_turn(&s.loop, -1), errno);
	assert_said("{\"error\":{\"desc\":\"done comes after commit\"}}\n");
	assert_int_equal(hand_over_check(&s, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_taker_that_keeps_asking_is_given_up, begin, end),
		cmocka_unit_test_setup_teardown(the_last_word_is_waited_for_no_longer_than_the_whole,
						begin, end),
		cmocka_unit_test_setup_teardown(a_taker_that_is_done_is_heeded_however_late,
						begin, end),
		cmocka_unit_test_setup_teardown(a_taker_that_says_nothing_has_its_time, begin, end),
		cmocka_unit_test_setup_teardown(sessions_come_after_commit_and_no_rule_changes,
						begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
