/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of whoever listens at a control socket, and requests that contradict themselves. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/client.h"
#include "control/podman.h"
#include "control/request.h"
#include "control/socket.h"

#define TOO_MUCH ((64 << 20) + 1)

static char path[64];
static pid_t server;
static struct error err;

static int begin(void **state)
{
	snprintf(path, sizeof(path), "/tmp/pstest-hostile-%d", getpid());
	return 0;
}

/* Listens at @path; @talk with the first who comes. */
static void serve(int type, void (*talk)(int fd))
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(fd, 1), errno);
	server = fork();
	if (server == 0) {
		char request[1024];
		int client = accept(fd, NULL, NULL);

		if (read(client, request, sizeof(request)) > 0)
			talk(client);
		_exit(0);
	}
	close(fd);
}

static int end(void **state)
{
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	server = 0;
	unlink(path);
	return 0;
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int ask(void)
{
	struct json *request = json_new_object(), *reply = NULL;
	const struct json *value;
	char *text = NULL;
	int r;

	json_add_string(request, "execute", "list");
	r = control_ask(path, request, &text, &reply, &value, &err);
	json_free(request);
	json_free(reply);
	free(text);
	return r;
}

static void say(int fd, const char *text)
{
	fd_write_all(fd, text, strlen(text));
}

static void say_return(int fd)
{
	say(fd, "{\"return\":{}}\n");
}

static void say_nothing(int fd)
{
	say(fd, "{}\n");
}

static void say_half(int fd)
{
	say(fd, "{\"return\":{}}");
}

static void say_without_end(int fd)
{
	char *much = malloc(TOO_MUCH);

	memset(much, ' ', TOO_MUCH);
	fd_write_all(fd, much, TOO_MUCH);
}

/* With a descriptor in each of two messages. */
static void say_with_descriptors(int fd)
{
	const int passed = STDERR_FILENO;

	fd_send(fd, "{\"return\":", 10, &passed, 1);
	fd_send(fd, "{}}\n", 4, &passed, 1);
}

static void a_reply_has_a_return_and_an_end(void **state)
{
	serve(SOCK_STREAM, say_return);
	assert_int_equal(ask(), 0);
	end(NULL);
	serve(SOCK_STREAM, say_nothing);
	assert_int_equal(ask(), -EPROTO);
	end(NULL);
	serve(SOCK_STREAM, say_half);
	assert_int_equal(ask(), -ECONNRESET);
}

static void a_reply_has_an_end_before_64_megabytes(void **state)
{
	serve(SOCK_STREAM, say_without_end);
	assert_int_equal(ask(), -EMSGSIZE);
}

static void descriptors_that_nobody_asked_for_are_closed(void **state)
{
	unsigned int before = count_fds();

	serve(SOCK_STREAM, say_with_descriptors);
	assert_int_equal(ask(), 0);
	assert_int_equal(count_fds(), before);
}

static void a_path_of_108_bytes_is_too_long(void **state)
{
	struct control_wait wait;
	char longest[109];

	memset(longest, 'a', sizeof(longest));
	control_wait_start(&wait, 1);
	longest[108] = '\0';
	assert_int_equal(control_socket_connect(longest, &wait, &err), -ENAMETOOLONG);
	longest[107] = '\0';
	assert_int_equal(control_socket_connect(longest, &wait, &err), -ENOENT);
}

static void say_ok(int fd)
{
	say(fd, "OK");
}

static void say_okay(int fd)
{
	say(fd, "OKAY");
}

static int reload(void)
{
	struct control_wait wait;

	control_wait_start(&wait, 10);
	return podman_reload(path, "10.0.0.1", &wait, &err);
}

static void only_ok_is_ok(void **state)
{
	serve(SOCK_SEQPACKET, say_ok);
	assert_int_equal(reload(), 0);
	end(NULL);
	serve(SOCK_SEQPACKET, say_okay);
	assert_int_equal(reload(), -EREMOTEIO);
	assert_non_null(strstr(err.text, "OKAY"));
}

static void requests_that_contradict_themselves_are_refused(void **state)
{
	static const char *const cases[] = {
		"{\"execute\":\"remove\",\"arguments\":{}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":1,\"host_port\":80}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":1,\"spec\":\"80\"}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":0}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":4294967296}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":1,\"timeout\":5}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":1,\"drain\":false,\"timeout\":5}}",
		"{\"execute\":\"remove\",\"arguments\":{\"id\":1,\"drain\":true,\"timeout\":604801}}",
		"{\"execute\":\"add\",\"arguments\":{\"specs\":[]}}",
		"{\"execute\":\"add\",\"arguments\":{\"spec\":\"80\",\"specs\":[\"81\"]}}",
		"{\"execute\":\"reload\",\"arguments\":{\"child_ips\":[]}}",
		"{\"execute\":\"reload\",\"arguments\":{\"child_ips\":[\"10.0.0.1\",\"10.0.0.2\"]}}",
		"{\"execute\":\"reload\",\"arguments\":{\"child_ips\":[\"::1\",\"::2\"]}}",
		"{\"execute\":\"stats\",\"arguments\":{\"connections\":10001}}",
		"{\"execute\":\"stats\",\"arguments\":{\"id\":0}}",
		"{\"execute\":\"list\",\"arguments\":{\"id\":1}}",
		"{\"execute\":\"list\",\"argument\":{}}",
	};
	struct control_request request;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (control_request_parse(cases[i], strlen(cases[i]), &request, &err) != -EINVAL)
			fail_msg("it is taken: %s", cases[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(a_reply_has_a_return_and_an_end),
		TEST(a_reply_has_an_end_before_64_megabytes),
		TEST(descriptors_that_nobody_asked_for_are_closed),
		TEST(a_path_of_108_bytes_is_too_long),
		TEST(only_ok_is_ok),
		TEST(requests_that_contradict_themselves_are_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
