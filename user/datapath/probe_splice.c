/* SPDX-License-Identifier: Apache-2.0 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "datapath/datapath.h"
#include "datapath/pipe_pool.h"
#include "datapath/probe.h"

static int set_size(int fd)
{
	return fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES) < 0 ? -errno : 0;
}

/* The forwarder has no capability that lifts pipe(7)'s limits. */
static int set_size_unprivileged(int fd)
{
	void *state;
	int r;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	state = capng_save_state();
	if (!state)
		return -ENOMEM;
	if (capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, -1) < 0 ||
	    capng_apply(CAPNG_SELECT_CAPS) < 0)
		r = -EPERM;
	else
		r = set_size(fd);
	capng_restore_state(&state);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		r = -EPERM;
	return r;
}

/* Returns @otherwise where it cannot be read. */
static unsigned long read_sysctl(const char *path, unsigned long otherwise)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	unsigned long n;

	return f && fscanf(f, "%lu", &n) == 1 ? n : otherwise;
}

/*
 * What pipe(7) allows an ordinary user who has no other pipes. How many there are now is the
 * state of a moment, and says nothing about the machine.
 */
static bool is_limited(void)
{
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE), pages;

	pages = read_sysctl("/proc/sys/fs/pipe-user-pages-soft", 0);
	return read_sysctl("/proc/sys/fs/pipe-max-size", PIPE_BYTES) < PIPE_BYTES ||
	       (pages && pages < PIPE_BYTES / page);
}

static void test_pipe_size(void *context, struct probe *p)
{
	_cleanup_close_ int rd = -1, wr = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		probe_errno(p, errno, "no pipe can be made");
		return;
	}
	rd = fds[0];
	wr = fds[1];
	if (set_size_unprivileged(wr) < 0 && is_limited())
		probe_set(p, PROBE_DEGRADED,
			  "slower: raise fs.pipe-max-size and fs.pipe-user-pages-soft",
			  "a pipe gets %d bytes instead of %d", fcntl(wr, F_GETPIPE_SZ),
			  PIPE_BYTES);
}

static void move(const struct probe_pair *from, const struct probe_pair *to,
		 struct probe *p)
{
	_cleanup_close_ int rd = -1, wr = -1;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		probe_errno(p, errno, "no pipe can be made");
		return;
	}
	rd = fds[0];
	wr = fds[1];
	if (probe_says(from->connected, "bytes", p) < 0)
		return;
	probe_wait(from->accepted, POLLIN);
	if (splice(from->accepted, NULL, wr, NULL, 5, 0) != 5 ||
	    splice(rd, NULL, to->connected, NULL, 5, 0) != 5) {
		probe_errno(p, errno, "splice(2) fails between sockets");
		return;
	}
	r = probe_hears(to->accepted, "bytes");
	if (r < 0)
		probe_errno(p, r, "spliced bytes do not arrive");
}

static void test_move(void *context, struct probe *p)
{
	struct probe_pair from, to = { -1, -1 };

	if (probe_pair_open(&from, 0, p) >= 0 && probe_pair_open(&to, 0, p) >= 0)
		move(&from, &to, p);
	probe_pair_close(&from);
	probe_pair_close(&to);
}

void probe_splice(struct probes *probes, bool all, struct datapath_choice *keep)
{
	static const struct probe_test tests[] = {
		{ "pipe size", test_pipe_size, PROBE_ALONE },
		{ "bytes arrive", test_move, PROBE_ALONE },
		{ 0 },
	};

	probes_run(probes, tests, NULL, all);
}
