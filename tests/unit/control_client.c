/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the control socket, and servers that are no portshunt of this user. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/timer.h"
#include "control/client.h"
#include "control/socket.h"
#include "tools/patience.h"

/* Of nobody who exists. */
#define ONE_USER 54321
#define OTHER_USER 54322

/* Who stands for all without an id: fs_overflowuid of the kernel. */
#define NOBODY 65534

#define DRIP_MS 20

static char dir[] = "/tmp/pstest-client-XXXXXX", path[64];
static struct error err;

static int setup(void **state)
{
	snprintf(path, sizeof(path), "%s/control", mkdtemp(dir));
	return chmod(dir, 0777);
}

static int teardown(void **state)
{
	return rmdir(dir);
}

static int listen_at_path(int backlog)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int ask(const struct control_wait *wait)
{
	struct json *request = json_new_object(), *reply = NULL;
	const struct json *value;
	int fd, r;

	err.text[0] = '\0';
	json_add_string(request, "execute", "list");
	r = control_ask_fd(path, request, wait, &fd, &reply, &value, &err);
	json_free(reply);
	json_free(request);
	return r;
}

/* A server that sends one byte of a reply after the other, and never the last. */
static pid_t start_dripping(void)
{
	int listener = listen_at_path(8), fd;
	pid_t pid = fork();

	if (pid) {
		close(listener);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = accept(listener, NULL, NULL);
	while (send(fd, " ", 1, MSG_NOSIGNAL) == 1)
		poll(NULL, 0, DRIP_MS);
	_exit(0);
}

static void end_dripping(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	unlink(path);
}

static void test_drip(void **state)
{
	pid_t pid = start_dripping();
	uint64_t began = timer_now(), took;
	struct control_wait wait;
	char text[256];

	control_wait_start(&wait, 1);
	assert_int_equal(ask(&wait), -ETIMEDOUT);
	took = timer_now() - began;
	assert_true(took >= 1000 && took < 5000u * (unsigned int)patience());
	snprintf(text, sizeof(text), "control socket %s: no whole reply within 1 s: its portshunt "
		 "is stopped or does not work", path);
	assert_string_equal(err.text, text);
	end_dripping(pid);
}

static int give_up(void *context)
{
	++*(int *)context;
	return -ECANCELED;
}

static void test_woken(void **state)
{
	pid_t pid = start_dripping();
	struct control_wait wait;
	int calls = 0;

	control_wait_start(&wait, 3600);
	wait.fd = eventfd(1, EFD_CLOEXEC);
	wait.woken = give_up;
	wait.context = &calls;
	assert_int_equal(ask(&wait), -ECANCELED);
	assert_int_equal(calls, 1);
	close(wait.fd);
	end_dripping(pid);
}

/* Nobody accepts, and the queue is full. */
static void test_full_queue(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = listen_at_path(0), first = socket(AF_UNIX, SOCK_STREAM, 0);
	struct control_wait wait;

	strcpy(sa.sun_path, path);
	assert_int_equal(connect(first, (struct sockaddr *)&sa, sizeof(sa)), 0);
	control_wait_start(&wait, 1);
	assert_int_equal(control_socket_connect(path, &wait, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "cannot connect to control socket /tmp/pstest-client-"));
	close(first);
	close(listener);
	unlink(path);
}

/*
 * @client connects to a socket at which @server listens; if @nameless, from a user namespace in
 * which no user has an id. Returns 0 if it was connected to, else an errno.
 */
static int connect_as(uid_t server, uid_t client, bool nameless)
{
	int listener, status;
	pid_t pid;

	assert_int_equal(seteuid(server), 0);
	listener = listen_at_path(8);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct control_wait limit;
		int r;

		if (setresuid(client, client, client) < 0 ||
		    (nameless && unshare(CLONE_NEWUSER) < 0))
			_exit(255);
		control_wait_start(&limit, 60);
		r = control_socket_connect(path, &limit, &err);
		_exit(r < 0 ? -r : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	close(listener);
	unlink(path);
	return WEXITSTATUS(status);
}

static void test_who(void **state)
{
	assert_int_equal(connect_as(ONE_USER, ONE_USER, false), 0);
	assert_int_equal(connect_as(0, ONE_USER, false), 0);
	assert_int_equal(connect_as(0, 0, false), 0);
	assert_int_equal(connect_as(OTHER_USER, ONE_USER, false), EPERM);
	assert_int_equal(connect_as(OTHER_USER, 0, false), EPERM);
	/* all of them are 65534 there: the kernel's own user nobody, too */
	assert_int_equal(connect_as(OTHER_USER, ONE_USER, true), EPERM);
	assert_int_equal(connect_as(NOBODY, NOBODY, false), 0);
}

static void test_who_in_words(void **state)
{
	struct control_wait limit;
	char text[512];
	int listener;

	assert_int_equal(seteuid(OTHER_USER), 0);
	listener = listen_at_path(8);
	assert_int_equal(seteuid(0), 0);
	control_wait_start(&limit, 60);
	assert_int_equal(control_socket_connect(path, &limit, &err), -EPERM);
	snprintf(text, sizeof(text), "control socket %s: user id 54322 listens at it, not root or "
		 "the user who asks, and was asked nothing; run this as user id 54322 if its "
		 "portshunt is meant, else remove the file", path);
	assert_string_equal(err.text, text);
	close(listener);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drip),
		cmocka_unit_test(test_woken),
		cmocka_unit_test(test_full_queue),
		/* these are several users */
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_who_in_words),
	};
	size_t n = sizeof(tests) / sizeof(*tests) - (geteuid() ? 2 : 0);

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("control_client", tests, n, setup, teardown);
}
