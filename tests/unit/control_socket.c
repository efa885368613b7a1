/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the control socket: who gets it, and who may remove it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/socket.h"

#define STARTS 4
#define ROUNDS 200

static char dir[] = "/tmp/pstest-socket-XXXXXX", path[64];

static int setup(void **state)
{
	snprintf(path, sizeof(path), "%s/control", mkdtemp(dir));
	return 0;
}

/* Nothing is left in the directory. */
static int teardown(void **state)
{
	return rmdir(dir);
}

static void leave_stale(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
}

/* What a start does: tells whether it got the socket, and holds it until @end is closed. */
static void start(int begin, int end, int tell)
{
	struct control_socket s;
	char c;

	(void)!read(begin, &c, 1);
	c = control_socket_open(&s, path, NULL) == 0 ? 'y' : 'n';
	(void)!write(tell, &c, 1);
	(void)!read(end, &c, 1);
	control_socket_close(&s);
	_exit(0);
}

static int run_round(void)
{
	int begin[2], end[2], tell[2], got = 0, fd;
	struct control_wait limit;
	char c;

	assert_int_equal(pipe(begin) | pipe(end) | pipe(tell), 0);
	for (int i = 0; i < STARTS; i++) {
		if (fork() == 0) {
			close(begin[1]);
			close(end[1]);
			start(begin[0], end[0], tell[1]);
		}
	}
	close(begin[1]);
	for (int i = 0; i < STARTS; i++) {
		assert_int_equal(read(tell[0], &c, 1), 1);
		got += c == 'y';
	}
	/* and who got it can be reached */
	control_wait_start(&limit, 60);
	fd = control_socket_connect(path, &limit, NULL);
	fd_close(fd);
	close(end[1]);
	for (int i = 0; i < STARTS; i++)
		wait(NULL);
	close(begin[0]);
	close(end[0]);
	close(tell[0]);
	close(tell[1]);
	return fd < 0 ? -1 : got;
}

static void test_stale_race(void **state)
{
	for (int i = 0; i < ROUNDS; i++) {
		leave_stale();
		assert_int_equal(run_round(), 1);
		assert_int_equal(access(path, F_OK), -1);
	}
}

/* Whoever holds the directory's lock for ever keeps nobody from starting. */
static void test_nuisance(void **state)
{
	struct control_socket s;
	int fd = open(dir, O_RDONLY);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(control_socket_open(&s, path, NULL), 0);
	control_socket_close(&s);
	close(fd);
}

static ino_t inode(void)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static void open_both(struct control_socket *old, struct control_socket *new)
{
	assert_int_equal(control_socket_open(old, path, NULL), 0);
	assert_int_equal(control_socket_open_beside(new, path, NULL), 0);
	assert_int_equal(inode(), old->ino);
}

static void test_replaced(void **state)
{
	struct control_socket old, new;

	open_both(&old, &new);
	assert_int_equal(control_socket_replace(&new, NULL), 0);
	assert_int_equal(inode(), new.ino);
	/* the old one leaves what is not its own */
	control_socket_close(&old);
	control_socket_settle(&new);
	assert_int_equal(inode(), new.ino);
	control_socket_close(&new);
	assert_int_equal(inode(), 0);
}

static void test_put_back(void **state)
{
	struct control_socket old, new;

	open_both(&old, &new);
	control_socket_close(&new);
	assert_int_equal(inode(), old.ino);
	assert_int_equal(control_socket_open_beside(&new, path, NULL), 0);
	assert_int_equal(control_socket_replace(&new, NULL), 0);
	control_socket_close(&new);
	assert_int_equal(inode(), old.ino);
	control_socket_close(&old);
	assert_int_equal(inode(), 0);
}

/* A kill, before the exchange and after it, and a start in the same way after that. */
static void test_restored(void **state)
{
	struct control_socket old, new;

	open_both(&old, &new);
	control_socket_restore(&old);
	assert_int_equal(access(new.beside, F_OK), -1);
	assert_int_equal(inode(), old.ino);
	fd_close(new.fd);
	assert_int_equal(control_socket_open_beside(&new, path, NULL), 0);
	assert_int_equal(control_socket_replace(&new, NULL), 0);
	fd_close(new.fd);
	control_socket_restore(&old);
	assert_int_equal(inode(), old.ino);
	assert_int_equal(access(new.beside, F_OK), -1);
	/* one that lives takes nothing back, nor away, then */
	assert_int_equal(control_socket_open_beside(&new, path, NULL), 0);
	control_socket_restore(&old);
	assert_int_equal(control_socket_replace(&new, NULL), -ENOENT);
	control_socket_close(&new);
	assert_int_equal(inode(), old.ino);
	control_socket_restore(&old);
	control_socket_close(&old);
	assert_int_equal(inode(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stale_race),
		cmocka_unit_test(test_nuisance),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_put_back),
		cmocka_unit_test(test_restored),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
