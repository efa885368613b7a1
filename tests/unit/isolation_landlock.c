// SPDX-License-Identifier: Apache-2.0
/* What Landlock leaves to a process: no files, no TCP listeners, some ports, no others' signals. */
#include "isolation/landlock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdbool.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static uint16_t open_port, other_port, third_port;
static pid_t parent;

/* A listener, whose port is put to *ret. */
static int listener(uint16_t *ret)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret = ntohs(at.sin_port);
	return fd;
}

static int reach(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;

	close(fd);
	return r;
}

static int take(int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type, 0);
	int r = bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? errno : 0;

	close(fd);
	return r;
}

static int open_one(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? errno : 0;
}

static int signal_parent(void)
{
	return kill(parent, 0) < 0 ? errno : 0;
}

/* Runs @check in a process that is confined; what it returns must be 0. */
static void confined(int (*check)(int version))
{
	int status;
	pid_t pid;

	parent = getpid();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(check(isolation_landlock()));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("check %d of the child does not hold", WEXITSTATUS(status));
}

#define HOLDS(condition) do { if (!(condition)) return __LINE__ & 0xff; } while (0)

static int check_files(int version)
{
	HOLDS(version >= 1);
	HOLDS(open_one("/etc/hostname", O_RDONLY) == EACCES);
	HOLDS(open_one("/tmp/isolation_landlock", O_RDWR | O_CREAT) == EACCES);
	HOLDS(open_one("/dev/null", O_WRONLY) == EACCES);
	return 0;
}

/* A kernel that cannot do it says so, and then it is as it was. */
static int bound(int version, const uint16_t *ports, size_t n)
{
	int r = isolation_landlock_connect(ports, n);

	return version < 4 ? r == -EOPNOTSUPP : r == 0;
}

static int check_one_port(int version)
{
	HOLDS(bound(version, &open_port, 1));
	HOLDS(reach(open_port) == 0);
	HOLDS(reach(other_port) == (version < 4 ? 0 : EACCES));
	HOLDS(take(SOCK_DGRAM) == 0);
	return 0;
}

static int check_two_ports(int version)
{
	const uint16_t ports[] = { open_port, other_port };

	HOLDS(bound(version, ports, 2));
	HOLDS(reach(open_port) == 0);
	HOLDS(reach(other_port) == 0);
	HOLDS(reach(third_port) == (version < 4 ? 0 : EACCES));
	/* never wider again */
	HOLDS(bound(version, &third_port, 1));
	HOLDS(reach(third_port) == (version < 4 ? 0 : EACCES));
	HOLDS(reach(open_port) == (version < 4 ? 0 : EACCES));
	return 0;
}

static int check_no_port(int version)
{
	HOLDS(bound(version, NULL, 0));
	HOLDS(reach(open_port) == (version < 4 ? 0 : EACCES));
	return 0;
}

static int check_any_port(int version)
{
	if (version < 4)
		return 0;
	HOLDS(reach(open_port) == 0);
	HOLDS(reach(other_port) == 0);
	HOLDS(take(SOCK_STREAM) == EACCES);
	HOLDS(take(SOCK_DGRAM) == 0);
	return 0;
}

static int check_signals(int version)
{
	HOLDS(version < 6 || signal_parent() == EPERM);
	HOLDS(kill(getpid(), 0) == 0);
	return 0;
}

static void test_no_files(void **state)
{
	confined(check_files);
}

static void test_one_port(void **state)
{
	confined(check_one_port);
}

static void test_two_ports(void **state)
{
	confined(check_two_ports);
}

static void test_no_port(void **state)
{
	confined(check_no_port);
}

static void test_any_port(void **state)
{
	confined(check_any_port);
}

static void test_no_signals(void **state)
{
	confined(check_signals);
}

static int setup(void **state)
{
	listener(&open_port);
	listener(&other_port);
	listener(&third_port);
	return 0;
}

static bool has_landlock(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(isolation_landlock() < 0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_two_ports),
		cmocka_unit_test(test_no_port),
		cmocka_unit_test(test_any_port),
		cmocka_unit_test(test_no_signals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
#ifdef __SANITIZE_ADDRESS__
	printf("1..1\nok 1 - isolation_landlock # skip sanitized: it opens files\n");
	return 0;
#endif
	if (!has_landlock()) {
		printf("1..0 # SKIP this kernel has no Landlock\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, NULL);
}
