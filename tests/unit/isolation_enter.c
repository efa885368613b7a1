// SPDX-License-Identifier: Apache-2.0
/* What stays of a process that isolates itself: the signal of its parent's death; and what goes. */
#include "isolation/isolate.h"

#include <grp.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534
#define HOLDS(condition) do { if (!(condition)) return __LINE__ & 0xff; } while (0)

/* The netns child's list has the calls that this takes. */
static int check_isolated(bool as_root)
{
	const struct isolation isolation = { .process = FILTER_NETNS, .name = "the process" };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	int signal = 0;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	HOLDS(isolation_enter(&isolation) == 0);
	HOLDS(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGTERM);
	HOLDS(!as_root || geteuid() >= 0xf0000000u);
	HOLDS(syscall(SYS_capget, &header, caps) == 0);
	HOLDS(!caps[0].permitted && !caps[1].permitted && !caps[0].effective && !caps[1].effective);
	return 0;
}

static bool become_user(void)
{
	return geteuid() != 0 ||
	       (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
		setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static void in_child(bool as_root)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!as_root && !become_user())
			_exit(255);
		_exit(check_isolated(as_root));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("line %d of the child does not hold, status %#x", WEXITSTATUS(status), status);
}

static void test_root(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(true);
}

static void test_user(void **state)
{
	in_child(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_user),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
