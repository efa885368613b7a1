/* SPDX-License-Identifier: Apache-2.0 */
/* A control socket with all the clients that there can be, and who leaves before the reply. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/server.h"

static struct loop loop;
static struct control_server server;
static char path[64];
static unsigned int asked;

static int on_request(void *context, const struct control_request *request, struct json **ret,
		      int *ret_fd, struct error *err)
{
	asked++;
	*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	*ret = json_new_object();
	return 0;
}

static int begin(void **state)
{
	struct error err;

	asked = 0;
	umask(0); /* whatever the caller's is */
	snprintf(path, sizeof(path), "/tmp/pstest-full-%d", getpid());
	assert_int_equal(loop_init(&loop), 0);
	control_server_init(&server);
	assert_int_equal(control_server_open(&server, path, &err), 0);
	assert_int_equal(control_server_start(&server, &loop, on_request, NULL), 0);
	return 0;
}

static int end(void **state)
{
	control_server_done(&server);
	loop_done(&loop);
	return 0;
}

static void turns(void)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(&loop, 0), 0);
}

static unsigned int count_fds(void)
{
	DIR *list = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(list);
	while (readdir(list))
		n++;
	closedir(list);
	return n;
}

static int client_new(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_return_code(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	return fd;
}

/* All are in the middle of a request, so that none makes room. */
static void one_more_waits_until_one_leaves(void **state)
{
	int fds[CONTROL_CLIENTS_MAX + 1];

	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fds[i] = client_new();
		assert_int_equal(send(fds[i], "{", 1, 0), 1);
		turns();
	}
	assert_int_equal(server.n_clients, CONTROL_CLIENTS_MAX);
	assert_true(server.is_paused);
	close(fds[0]);
	/* at once, not when the timer comes to it */
	turns();
	assert_int_equal(server.n_clients, CONTROL_CLIENTS_MAX);
	assert_false(server.is_paused);
	for (int i = 1; i <= CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	turns();
	assert_int_equal(server.n_clients, 0);
}

static void the_descriptor_of_a_reply_that_nobody_gets_is_closed(void **state)
{
	static const char request[] = "{\"execute\":\"list\"}\n";
	unsigned int before = count_fds();
	int fd = client_new();

	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	close(fd);
	turns();
	assert_int_equal(asked, 1);
	assert_int_equal(server.n_clients, 0);
	assert_int_equal(count_fds(), before);
}

static void the_file_is_its_owners_alone(void **state)
{
	struct stat st;

	assert_return_code(lstat(path, &st), errno);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(one_more_waits_until_one_leaves),
		TEST(the_file_is_its_owners_alone),
		TEST(the_descriptor_of_a_reply_that_nobody_gets_is_closed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
