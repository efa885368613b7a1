/* SPDX-License-Identifier: Apache-2.0 */
/* A process that does one thing: what it keeps, and how it ends, or is left. */
#include "isolation/child.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/timer.h"

static const struct isolation isolation = { .process = FILTER_WALKER, .name = "child" };

/* Sends back what comes, to the end. */
static void echo(int fd, const void *context)
{
	char byte;

	while (recv(fd, &byte, 1, 0) == 1)
		send(fd, &byte, 1, MSG_NOSIGNAL);
}

/* Says that it is there, and heeds nothing more. */
static void hang(int fd, const void *context)
{
	char byte = 'h';

	send(fd, &byte, 1, MSG_NOSIGNAL);
	for (;;)
		recv(fd, &byte, 1, 0);
}

static void start(struct child *c, void (*work)(int fd, const void *context), int keep)
{
	const struct child_spec spec = { .isolation = &isolation, .work = work, .keep = { keep, -1 } };

	assert_int_equal(child_start(c, &spec), 0);
}

static bool wait_for(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 10000) == 1;
}

/* It is isolated by then. */
static void ask(const struct child *c)
{
	char byte = 'a';

	assert_int_equal(send(c->fd, &byte, 1, MSG_NOSIGNAL), 1);
	assert_true(wait_for(c->fd));
	assert_int_equal(recv(c->fd, &byte, 1, 0), 1);
}

static unsigned int count_fds_of(pid_t pid)
{
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		skip(); /* not root */
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void it_keeps_what_it_is_given_and_no_more(void **state)
{
	struct rlimit core;
	struct child c;
	int keep = dup(STDERR_FILENO), fds[2];

	assert_return_code(pipe(fds), errno);
	start(&c, echo, keep);
	ask(&c);
	/* three standard streams, its socket, and that one */
	assert_int_equal(count_fds_of(c.pid), 5);
	assert_int_equal(getpgid(c.pid), c.pid);
	if (prlimit(c.pid, RLIMIT_CORE, NULL, &core) == 0)
		assert_int_equal(core.rlim_max, 0);
	child_end(&c);
	close(keep);
	close(fds[0]);
	close(fds[1]);
}

static void it_ends_and_is_reaped(void **state)
{
	struct child c;
	pid_t pid;

	start(&c, echo, -1);
	ask(&c);
	pid = c.pid;
	child_end(&c);
	assert_int_equal(c.fd, -1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	child_end(&c);
}

static void its_death_is_seen_by_its_socket(void **state)
{
	struct child c;
	char byte;

	start(&c, echo, -1);
	ask(&c);
	kill(c.pid, SIGKILL);
	assert_true(wait_for(c.fd));
	assert_true(recv(c.fd, &byte, 1, MSG_DONTWAIT) <= 0);
	child_end(&c);
}

static void one_that_hangs_is_left(void **state)
{
	uint64_t began;
	struct child c;
	pid_t pid;

	start(&c, hang, -1);
	assert_true(wait_for(c.fd));
	pid = c.pid;
	began = timer_now();
	alarm(20);
	child_end(&c);
	alarm(0);
	assert_true(timer_now() - began < 10000);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Its parent is killed and it has work without end; the pipe that it keeps shows when it ends. */
static void it_does_not_outlive_its_parent(void **state)
{
	int fds[2], told[2];
	pid_t parent, pid = 0;
	char byte;

	assert_return_code(pipe(fds), errno);
	assert_return_code(pipe(told), errno);
	parent = fork();
	if (parent == 0) {
		const struct child_spec spec = {
			.isolation = &isolation, .work = hang, .keep = { fds[1], -1 },
		};
		struct child c = { 0 };

		if (child_start(&c, &spec) < 0 || recv(c.fd, &byte, 1, 0) != 1)
			_exit(1);
		if (write(told[1], &c.pid, sizeof(c.pid)) != sizeof(c.pid))
			_exit(1);
		pause();
	}
	close(fds[1]);
	assert_true(wait_for(told[0]));
	assert_int_equal(read(told[0], &pid, sizeof(pid)), sizeof(pid));
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	if (!wait_for(fds[0])) {
		kill(pid, SIGKILL);
		fail_msg("it outlives its parent");
	}
	close(fds[0]);
	close(told[0]);
	close(told[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_keeps_what_it_is_given_and_no_more),
		cmocka_unit_test(it_ends_and_is_reaped),
		cmocka_unit_test(its_death_is_seen_by_its_socket),
		cmocka_unit_test(one_that_hangs_is_left),
		cmocka_unit_test(it_does_not_outlive_its_parent),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
