/* SPDX-License-Identifier: Apache-2.0 */
/* The client of podman's reload socket, and servers that are no sound rootlessport of this user. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/timer.h"
#include "control/podman.h"
#include "tools/patience.h"

/* Of nobody who exists. */
#define OTHER_USER 54322

#define DRIP_MS 20

static char dir[] = "/tmp/pstest-podman-XXXXXX", path[64];
static struct error err;

static int setup(void **state)
{
	snprintf(path, sizeof(path), "%s/c0ffee", mkdtemp(dir));
	return chmod(dir, 0777);
}

static int teardown(void **state)
{
	return rmdir(dir);
}

static int listen_at_path(int type, int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int reload(unsigned int seconds)
{
	struct control_wait wait;

	err.text[0] = '\0';
	control_wait_start(&wait, seconds);
	return podman_reload(path, "10.0.0.1", &wait, &err);
}

/* A server that says @first, and @then, if not NULL, again and again, a moment in between. */
static pid_t serve(int type, const char *first, const char *then)
{
	int listener = listen_at_path(type, 8), fd;
	pid_t pid = fork();
	char text[64];

	if (pid) {
		close(listener);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = accept(listener, NULL, NULL);
	if (recv(fd, text, sizeof(text), 0) != 11 || memcmp(text, "\"10.0.0.1\"\n", 11) != 0)
		_exit(1);
	send(fd, first, strlen(first), MSG_NOSIGNAL);
	while (then && send(fd, then, strlen(then), MSG_NOSIGNAL) > 0)
		poll(NULL, 0, DRIP_MS);
	_exit(0);
}

static void end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	unlink(path);
}

static void ok_is_ok(void **state)
{
	static const int types[] = { SOCK_SEQPACKET, SOCK_STREAM };

	for (int i = 0; i < 2; i++) {
		pid_t pid = serve(types[i], "OK", NULL);

		assert_int_equal(reload(60), 0);
		end(pid);
		pid = serve(types[i], "", NULL);
		assert_int_equal(reload(60), -EREMOTEIO);
		assert_string_equal(err.text, "port reloading failed: no reply");
		end(pid);
	}
}

static void a_reply_that_drips_is_given_up(void **state)
{
	static const int types[] = { SOCK_SEQPACKET, SOCK_STREAM };

	for (int i = 0; i < 2; i++) {
		pid_t pid = serve(types[i], "O", " ");
		uint64_t began = timer_now(), took;
		char text[256];

		assert_int_equal(reload(1), -ETIMEDOUT);
		took = timer_now() - began;
		assert_true(took >= 1000 && took < 5000u * (unsigned int)patience());
		snprintf(text, sizeof(text), "port reloading failed: no whole reply within 1 s: "
			 "the rootlessport at %s is stopped or does not work", path);
		assert_string_equal(err.text, text);
		end(pid);
	}
}

static void a_reply_without_end_is_cut(void **state)
{
	static const char line[] = "a line that is followed by another one, and no end of them, as "
				   "whoever made this socket knows how to waste others' time\n";
	pid_t pid = serve(SOCK_STREAM, line, line);

	assert_int_equal(reload(600), -EREMOTEIO);
	assert_non_null(strstr(err.text, "port reloading failed: a line that is followed by"));
	assert_null(strchr(err.text, '\n'));
	end(pid);
}

/* Nobody accepts, and the queue is full. */
static void a_full_queue_is_given_up(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = listen_at_path(SOCK_SEQPACKET, 0);
	int first = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(connect(first, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(reload(1), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "could not reload rootless port mappings, "));
	close(first);
	close(listener);
	unlink(path);
}

static void another_user_is_asked_nothing(void **state)
{
	struct pollfd connection = { .events = POLLIN };
	int listener;
	char text[512];

	assert_int_equal(seteuid(OTHER_USER), 0);
	listener = listen_at_path(SOCK_SEQPACKET, 8);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(reload(60), -EPERM);
	snprintf(text, sizeof(text), "could not reload rootless port mappings: %s: user id 54322 "
		 "listens at it, not root or the user who asks, and was asked nothing; run this as "
		 "user id 54322 if its container is meant", path);
	assert_string_equal(err.text, text);
	connection.fd = accept(listener, NULL, NULL);
	assert_int_equal(recv(connection.fd, text, sizeof(text), 0), 0);
	close(connection.fd);
	close(listener);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ok_is_ok),
		cmocka_unit_test(a_reply_that_drips_is_given_up),
		cmocka_unit_test(a_reply_without_end_is_cut),
		cmocka_unit_test(a_full_queue_is_given_up),
		/* these are several users */
		cmocka_unit_test(another_user_is_asked_nothing),
	};
	size_t n = sizeof(tests) / sizeof(*tests) - (geteuid() ? 1 : 0);

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("control_podman", tests, n, setup, teardown);
}
