/* SPDX-License-Identifier: Apache-2.0 */
/* base/fd.h: descriptors that are sent, received, kept and closed, and none that leaks. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

#define HOLDS(condition) do { if (!(condition)) return __LINE__ & 0xff; } while (0)

static int ours, theirs;

static int open_pair(void **state)
{
	int fds[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), errno);
	ours = fds[0];
	theirs = fds[1];
	return 0;
}

static int close_pair(void **state)
{
	close(ours);
	close(theirs);
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

static void closing_leaves_minus_one(void **state)
{
	int fd = dup(STDERR_FILENO);

	assert_int_equal(fd_close(fd), -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fd_close(-1), -1);
}

static void flags_are_set_one_by_one(void **state)
{
	assert_int_equal(fd_set_cloexec(ours, 0), 0);
	assert_int_equal(fcntl(ours, F_GETFD), 0);
	assert_int_equal(fd_set_cloexec(ours, 1), 0);
	assert_int_equal(fcntl(ours, F_GETFD), FD_CLOEXEC);
	assert_return_code(fcntl(ours, F_SETFL, O_APPEND), errno);
	assert_int_equal(fd_set_nonblock(ours), 0);
	assert_int_equal(fcntl(ours, F_GETFL) & (O_NONBLOCK | O_APPEND), O_NONBLOCK | O_APPEND);
	assert_int_equal(fd_set_nonblock(-1), -EBADF);
	assert_int_equal(fd_set_cloexec(-1, 1), -EBADF);
}

static void descriptors_arrive_closed_at_exec(void **state)
{
	const int fds[] = { STDERR_FILENO, STDERR_FILENO };
	int got[2] = { -1, -1 };
	char data[8];
	size_t n;

	assert_int_equal(fd_send(ours, "abc", 3, fds, 2), 0);
	assert_int_equal(fd_recv(theirs, data, sizeof(data), got, 2, &n), 3);
	assert_int_equal(n, 2);
	assert_memory_equal(data, "abc", 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		close(got[i]);
	}
}

static void descriptors_without_room_are_closed(void **state)
{
	const int fds[] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	unsigned int before = count_fds();
	int got = -1;
	char data[8];
	size_t n;

	assert_int_equal(fd_send(ours, "abc", 3, fds, 3), 0);
	assert_int_equal(fd_recv(theirs, data, sizeof(data), &got, 1, &n), 3);
	assert_int_equal(n, 1);
	close(got);
	assert_int_equal(count_fds(), before);
}

static void a_message_that_was_cut_is_an_error_and_leaves_none(void **state)
{
	const int fds[] = { STDERR_FILENO };
	unsigned int before = count_fds();
	int got = -1;
	char data[2];
	size_t n = 7;

	assert_int_equal(fd_send(ours, "abc", 3, fds, 1), 0);
	assert_int_equal(fd_recv(theirs, data, sizeof(data), &got, 1, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(count_fds(), before);
}

static void more_than_a_message_has_are_refused(void **state)
{
	int fds[2 * FD_PASS_MAX], got[FD_PASS_MAX];
	char byte;
	size_t n;

	for (size_t i = 0; i < 2 * FD_PASS_MAX; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(fd_send(ours, "a", 1, fds, FD_PASS_MAX + 1), -EINVAL);
	assert_int_equal(fd_send(ours, "a", 1, fds, 2 * FD_PASS_MAX), -EINVAL);
	assert_int_equal(fd_send(ours, "a", 1, fds, FD_PASS_MAX), 0);
	assert_int_equal(fd_recv(theirs, &byte, 1, got, FD_PASS_MAX, &n), 1);
	assert_int_equal(n, FD_PASS_MAX);
	while (n)
		close(got[--n]);
}

/* What waits is ended by the alarm, and with it the test. */
static void some_do_not_wait(void **state)
{
	char data[4096] = { 0 };
	ssize_t r;
	size_t n;

	alarm(10);
	assert_int_equal(fd_recv_some(theirs, data, sizeof(data), NULL, 0, &n), -EAGAIN);
	do {
		r = fd_send_some(ours, data, sizeof(data), NULL, 0);
	} while (r == sizeof(data));
	assert_int_equal(r, -EAGAIN);
	alarm(0);
}

static void an_end_that_is_gone_is_an_error_and_no_signal(void **state)
{
	int fds[2];

	signal(SIGPIPE, SIG_DFL); /* whatever the caller had ignored */
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), errno);
	close(fds[1]);
	assert_int_equal(fd_send(fds[0], "a", 1, NULL, 0), -EPIPE);
	assert_int_equal(fd_send_some(fds[0], "a", 1, NULL, 0), -EPIPE);
	close(fds[0]);
	close(theirs);
	theirs = -1;
	assert_int_equal(fd_send(ours, "a", 1, NULL, 0), -EPIPE);
	assert_int_equal(fd_send_some(ours, "a", 1, NULL, 0), -EPIPE);
}

static int in_child(int (*check)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(check());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int check_kept(void)
{
	char target[32] = "";
	int keep[] = { 50, -1, 40, 41, STDERR_FILENO };

	for (int i = 30; i < 61; i++)
		HOLDS(dup2(STDERR_FILENO, i) == i);
	close(STDIN_FILENO);
	fd_close_all_but(keep, sizeof(keep) / sizeof(*keep));
	for (int i = STDERR_FILENO + 1; i < 100; i++)
		HOLDS((fcntl(i, F_GETFD) >= 0) == (i == 40 || i == 41 || i == 50));
	/* and the standard streams are taken */
	for (int i = 0; i < STDERR_FILENO; i++)
		HOLDS(fcntl(i, F_GETFD) >= 0);
	HOLDS(readlink("/proc/self/fd/0", target, sizeof(target) - 1) > 0);
	HOLDS(strcmp(target, "/dev/null") == 0);
	return 0;
}

static int check_filled(void)
{
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	fd_fill_standard();
	HOLDS(fcntl(STDIN_FILENO, F_GETFD) == FD_CLOEXEC);
	HOLDS(fcntl(STDOUT_FILENO, F_GETFD) == FD_CLOEXEC);
	return 0;
}

static int check_raised(void)
{
	struct rlimit r;

	HOLDS(getrlimit(RLIMIT_NOFILE, &r) == 0);
	r.rlim_cur = 64;
	HOLDS(setrlimit(RLIMIT_NOFILE, &r) == 0);
	HOLDS(fd_raise_nofile() == r.rlim_max);
	HOLDS(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == r.rlim_max);
	return 0;
}

static void only_those_to_keep_stay_open(void **state)
{
	assert_int_equal(in_child(check_kept), 0);
}

static void standard_streams_are_filled_and_closed_at_exec(void **state)
{
	assert_int_equal(in_child(check_filled), 0);
}

static void the_limit_of_open_files_is_raised(void **state)
{
	assert_int_equal(in_child(check_raised), 0);
}

static int interrupted_fd;

static void on_alarm(int signal)
{
	ssize_t unused = write(interrupted_fd, "a", 1);

	(void)unused;
}

/* Its write(2) comes to a short count, since a signal comes when the pipe is full. */
static int write_interrupted(int to, int tell, const char *all, size_t len)
{
	const struct itimerval often = { { 0, 10000 }, { 0, 10000 } };
	struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */

	interrupted_fd = tell;
	HOLDS(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
	HOLDS(fd_write_all(to, all, len) == 0);
	return 0;
}

static void all_is_written_and_read_in_pieces(void **state)
{
	static char all[300000], got[sizeof(all) + 1];
	int fds[2], told[2], status;
	pid_t pid;
	char byte;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i * 7 + i / 1000);
	assert_return_code(pipe(fds), errno);
	assert_return_code(pipe(told), errno);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(write_interrupted(fds[1], told[1], all, sizeof(all)));
	}
	close(fds[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(fd_read_all(fds[0], got, sizeof(got)), sizeof(all));
	assert_memory_equal(got, all, sizeof(all));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(told[0]);
	close(told[1]);
	assert_int_equal(fd_write_all(-1, "a", 1), -EBADF);
	assert_int_equal(fd_read_all(-1, got, 1), -EBADF);
}

int main(void)
{
#define PAIR(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(closing_leaves_minus_one),
		PAIR(flags_are_set_one_by_one),
		PAIR(descriptors_arrive_closed_at_exec),
		PAIR(descriptors_without_room_are_closed),
		PAIR(a_message_that_was_cut_is_an_error_and_leaves_none),
		PAIR(more_than_a_message_has_are_refused),
		PAIR(some_do_not_wait),
		PAIR(an_end_that_is_gone_is_an_error_and_no_signal),
		cmocka_unit_test(only_those_to_keep_stay_open),
		cmocka_unit_test(standard_streams_are_filled_and_closed_at_exec),
		cmocka_unit_test(the_limit_of_open_files_is_raised),
		cmocka_unit_test(all_is_written_and_read_in_pieces),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
