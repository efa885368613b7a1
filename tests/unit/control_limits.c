/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a request, which come from a client, and whom a server or client trusts. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/limits.h"
#include "control/peer.h"

static struct limits limits;

static int read_text(const char *text)
{
	struct error err = { "" };
	struct json *json;
	int r;

	limits = (struct limits){ 0 };
	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	r = limits_read(json, &limits, &err);
	json_free(json);
	return r;
}

static void limits_are_read(void **state)
{
	assert_int_equal(read_text("{}"), 0);
	assert_false(limits_given(&limits));
	assert_int_equal(read_text("{\"limits\":{\"connections\":1,\"connect_rate\":1000000000,"
				   "\"half_open\":\"off\",\"idle_timeout\":7}}"), 0);
	assert_int_equal(limits.of[LIMIT_CONNECTIONS], 1);
	assert_int_equal(limits.of[LIMIT_CONNECT_RATE], LIMIT_MAX);
	assert_int_equal(limits.of[LIMIT_HALF_OPEN], LIMIT_OFF);
	assert_int_equal(limits.of[LIMIT_UDP_SESSIONS], 0);
	assert_int_equal(limits.of[LIMIT_IDLE_TIMEOUT], 7);
}

static void what_is_no_limit_is_refused(void **state)
{
	static const char *const cases[] = {
		"{\"limits\":{\"connections\":0}}", "{\"limits\":{\"connections\":-1}}",
		"{\"limits\":{\"connections\":1000000001}}", "{\"limits\":{\"connections\":4294967295}}",
		"{\"limits\":{\"connections\":1.5}}", "{\"limits\":{\"connections\":\"Off\"}}",
		"{\"limits\":{\"connections\":null}}", "{\"limits\":{\"connections\":[1]}}",
		"{\"limits\":{\"conections\":5}}", "{\"limits\":{\"connect-rate\":5}}",
		"{\"limits\":5}", "{\"limits\":[]}", "{\"limits\":null}",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (read_text(cases[i]) != -EINVAL)
			fail_msg("it is taken: %s", cases[i]);
}

static void what_is_printed_is_read_again(void **state)
{
	const struct limits before = { { 5, 0, LIMIT_OFF, 1, LIMIT_MAX } };
	struct json *object = json_new_object();
	struct error err;

	json_add(object, "limits", limits_json(&before));
	limits = (struct limits){ 0 };
	assert_int_equal(limits_read(object, &limits, &err), 0);
	assert_memory_equal(&limits, &before, sizeof(before));
	json_free(object);
}

static bool is_trusted(void)
{
	struct ucred peer;
	bool trusted;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	trusted = control_peer_is_trusted(fds[0], &peer);
	close(fds[0]);
	close(fds[1]);
	return trusted;
}

static void ones_own_user_is_trusted(void **state)
{
	struct ucred peer;

	assert_true(is_trusted());
	assert_false(control_peer_is_trusted(STDERR_FILENO, &peer));
	assert_false(control_peer_is_trusted(-1, &peer));
	assert_int_equal(peer.uid, (uid_t)-1);
}

/* In a user namespace without a map this user has no id, and is everybody else that has none. */
static void who_has_no_id_is_not_trusted(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(2);
		_exit(is_trusted());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_read),
		cmocka_unit_test(what_is_no_limit_is_refused),
		cmocka_unit_test(what_is_printed_is_read_again),
		cmocka_unit_test(ones_own_user_is_trusted),
		cmocka_unit_test(who_has_no_id_is_not_trusted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
