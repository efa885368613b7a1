/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/reap.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define KILL_TIMEOUT_MS 2000

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct deadline deadline_in(int ms)
{
	return (struct deadline){ .at = now_ms() + ms };
}

int deadline_left(const struct deadline *d)
{
	int64_t left = d->at - now_ms();

	return left > 0 ? (int)left : 0;
}

bool reap_wait(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	struct deadline end = deadline_in(ms);
	int r;

	do {
		r = poll(&p, 1, deadline_left(&end));
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

int reap(pid_t pid, int pidfd, struct reaped *ret)
{
	siginfo_t info = { 0 };
	int r;

	/* until it is reaped the number, and so the group, is its own */
	kill(-pid, SIGKILL);
	if (!reap_wait(pidfd, KILL_TIMEOUT_MS))
		return -ETIMEDOUT;
	do {
		r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret = (struct reaped){
		.is_signal = info.si_code != CLD_EXITED,
		.is_core = info.si_code == CLD_DUMPED,
		.status = info.si_status,
	};
	return 0;
}

const char *reap_text(const struct reaped *r, char buf[REAP_TEXT_MAX])
{
	char name[32];

	if (!r->is_signal) {
		snprintf(buf, REAP_TEXT_MAX, "exit status %d", r->status);
		return buf;
	}
	snprintf(name, sizeof(name), "%s", strsignal(r->status));
	name[0] = (char)tolower((unsigned char)name[0]);
	snprintf(buf, REAP_TEXT_MAX, "signal: %s%s", name,
		 r->is_core ? " (core dumped)" : "");
	return buf;
}
