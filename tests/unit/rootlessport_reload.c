/* SPDX-License-Identifier: Apache-2.0 */
/* The reload socket: whom it keeps, how long, and which file it removes. */
#include "supervisor/rootlessport/reload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/timer.h"

static struct loop loop;
static struct reload_server server;
static char dir[] = "/tmp/reload.XXXXXX", path[sizeof(dir) + 16];
static char told[64];

static int on_reload(void *context, const char *child_ip, struct error *err)
{
	snprintf(told, sizeof(told), "%s", child_ip);
	return 0;
}

static int begin(void **state)
{
	struct error err = { "" };

	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/id", dir);
	*told = '\0';
	assert_int_equal(loop_init(&loop), 0);
	reload_init(&server);
	assert_int_equal(reload_open(&server, dir, "id", &loop, on_reload, NULL, &err), 0);
	return 0;
}

static int end(void **state)
{
	reload_done(&server);
	loop_done(&loop);
	unlink(path);
	rmdir(dir);
	return 0;
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

static void turns(void)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(&loop, 0), 0);
}

static int client_new(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_return_code(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), errno);
	turns();
	return fd;
}

static bool has_ended(int fd)
{
	char unused;

	return recv(fd, &unused, 1, MSG_DONTWAIT) >= 0 || errno == ECONNRESET;
}

static void a_request_is_answered_and_nothing_stays(void **state)
{
	unsigned int before = count_fds();
	int fd = client_new();
	char got[64];

	assert_int_equal(send(fd, "\"10.0.0.1\"", 10, 0), 10);
	turns();
	assert_int_equal(recv(fd, got, sizeof(got), 0), 2);
	assert_memory_equal(got, "OK", 2);
	assert_true(has_ended(fd));
	assert_string_equal(told, "10.0.0.1");
	close(fd);
	assert_int_equal(server.n_clients, 0);
	assert_int_equal(count_fds(), before);
}

static void who_is_silent_for_longest_makes_room(void **state)
{
	int fds[RELOAD_CLIENTS_MAX + 1];

	for (int i = 0; i < RELOAD_CLIENTS_MAX; i++)
		fds[i] = client_new();
	assert_false(has_ended(fds[0]));
	fds[RELOAD_CLIENTS_MAX] = client_new();
	assert_int_equal(server.n_clients, RELOAD_CLIENTS_MAX);
	assert_true(has_ended(fds[0]));
	assert_false(has_ended(fds[1]));
	for (int i = 0; i <= RELOAD_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void tick(void)
{
	timer_set(&server.timer, 1);
	assert_int_equal(loop_turn(&loop, 10000), 0);
	turns();
}

static void after_a_failure_to_accept_it_is_tried_again(void **state)
{
	int fd;

	assert_int_equal(loop_mod(&server.source, 0), 0);
	fd = client_new();
	assert_int_equal(server.n_clients, 0);
	tick();
	assert_int_equal(server.n_clients, 1);
	close(fd);
}

static void the_file_is_its_owners_alone(void **state)
{
	struct stat st;

	assert_return_code(lstat(path, &st), errno);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	reload_done(&server);
	assert_int_equal(lstat(path, &st), -1);
}

static void a_file_of_another_one_stays(void **state)
{
	struct reload_server other;
	struct error err = { "" };
	struct stat st, after;

	reload_init(&other);
	assert_int_equal(reload_open(&other, dir, "id", &loop, on_reload, NULL, &err), 0);
	assert_return_code(lstat(path, &st), errno);
	reload_done(&server);
	assert_return_code(lstat(path, &after), errno);
	assert_int_equal(st.st_ino, after.st_ino);
	reload_done(&other);
	assert_int_equal(lstat(path, &after), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(a_request_is_answered_and_nothing_stays),
		TEST(who_is_silent_for_longest_makes_room),
		TEST(after_a_failure_to_accept_it_is_tried_again),
		TEST(the_file_is_its_owners_alone),
		TEST(a_file_of_another_one_stays),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
