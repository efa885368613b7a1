/* SPDX-License-Identifier: Apache-2.0 */
/* An isolated process: what Landlock takes beside the empty root, and that it can still log. */
#include "isolation/isolate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

/* A sanitizer opens files for its reports, so such a build has no Landlock. */
#ifdef __SANITIZE_ADDRESS__
#define CAN_BIND (2 << 8)
#else
#define CAN_BIND 0
#endif

/* The netns child's list has bind(2): Linux 6.7 and later take that by Landlock, for TCP. */
static int check_bind(void)
{
	const struct isolation isolation = { .process = FILTER_NETNS, .name = "the process" };
	struct sockaddr_in at = { .sin_family = AF_INET };
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (isolation_enter(&isolation) < 0)
		return 1;
	if (bind(tcp, (struct sockaddr *)&at, sizeof(at)) == 0 || errno != EACCES)
		return 2;
	return bind(udp, (struct sockaddr *)&at, sizeof(at)) == 0 ? 0 : 3;
}

/* No file has to be opened for the time of a line: that would end the process. */
static int check_log(void)
{
	const struct isolation isolation = { .process = FILTER_FORWARDER, .name = "the process" };

	log_init(LOG_INFO, true);
	if (isolation_enter(&isolation) < 0)
		return 1;
	log_info("a line");
	return 0;
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

static void it_binds_no_tcp_port(void **state)
{
	/* LANDLOCK_CREATE_RULESET_VERSION */
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 4)
		skip();
	assert_int_equal(in_child(check_bind), CAN_BIND);
}

static void it_logs_with_the_time(void **state)
{
	assert_int_equal(in_child(check_log), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_binds_no_tcp_port),
		cmocka_unit_test(it_logs_with_the_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
