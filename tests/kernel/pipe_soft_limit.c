/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.pipe-user-pages-soft (pipe(7)): an ordinary user whose pipes have that
 * many pages gets no larger ones, and new ones are born with two slots. They
 * work, and take two pages a splice(2): less than copying moves at once.
 * Capabilities count in the initial user namespace only, so whoever dropped
 * them is an ordinary user, also as uid 0.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "kernel/process.h"

#define PIPE_BYTES (1 << 20)

static long page;

static long sysctl_value(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (f && fscanf(f, "%ld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

static long size_of(const int fds[2])
{
	return RC(fcntl(fds[1], F_GETPIPE_SZ));
}

/* Fills the limit with large pipes. Returns their number. */
static long fill(long soft)
{
	long n = 0, r = PIPE_BYTES;
	int fds[2];

	while (r == PIPE_BYTES && n * (PIPE_BYTES / page) <= soft) {
		MUST(pipe2(fds, O_CLOEXEC));
		r = RC(fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES));
		n += r == PIPE_BYTES;
	}
	tap_is(r, -EPERM, "F_SETPIPE_SZ beyond the limit: EPERM");
	tap_ok(size_of(fds) >= 2 * page, "the pipe keeps the size that it had");
	tap_diag("%ld bytes, after %ld pipes of %d", size_of(fds), n, PIPE_BYTES);
	return n;
}

static void ordinary(long soft)
{
	static char buffer[64 * 1024];
	long full = soft / (PIPE_BYTES / page), n;
	bool was_root = has_cap(CAP_SETUID);
	int fds[2];

	become_ordinary();
	MUST(pipe2(fds, O_CLOEXEC));
	tap_ok(size_of(fds) > 2 * page, "a pipe below the limit has the usual size");
	tap_diag("%ld bytes", size_of(fds));
	tap_is(RC(fcntl(fds[1], F_SETPIPE_SZ,
			sysctl_value("/proc/sys/fs/pipe-max-size") + 1)),
	       -EPERM, "F_SETPIPE_SZ beyond fs.pipe-max-size: EPERM");

	n = fill(soft);
	/* one less for the small pipe, and for others that the user has */
	tap_ok(n < full && (n == full - 1 || !was_root),
	       "the limit is a sum over all pipes of the user");
	/* what is left of the limit */
	do
		MUST(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	while (size_of(fds) > 2 * page);
	tap_is(size_of(fds), 2 * page, "a pipe beyond the limit has two slots");
	tap_is(RC(write(fds[1], buffer, sizeof(buffer))), 2 * page,
	       "which take two pages");
	tap_is(RC(read(fds[0], buffer, sizeof(buffer))), 2 * page, "and give them back");
}

/* uid 0 beyond the limit, and there without capabilities. */
static void root_drops_capabilities(long soft)
{
	struct __user_cap_header_struct header = { .version =
							   _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	long r = PIPE_BYTES;
	int fds[2];

	for (long n = 0; n <= soft && r == PIPE_BYTES; n += PIPE_BYTES / page) {
		MUST(pipe2(fds, O_CLOEXEC));
		r = RC(fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES));
	}
	tap_is(r, PIPE_BYTES, "root goes beyond the limit");
	MUST(syscall(SYS_capset, &header, none));
	MUST(pipe2(fds, O_CLOEXEC));
	tap_is(size_of(fds), 2 * page, "without capabilities it gets two slots, too");
	tap_is(RC(fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES)), -EPERM, "and no more");
}

/* In a process of its own, whose pipes end with it; it counts on for us. */
static void in_child(void (*fn)(long), long soft)
{
	unsigned int counts[2];
	int fds[2];
	pid_t pid;

	MUST(pipe2(fds, O_CLOEXEC));
	pid = child_fork();
	if (pid == 0) {
		fn(soft);
		counts[0] = tap_n;
		counts[1] = tap_failed;
		MUST(write(fds[1], counts, sizeof(counts)));
		_exit(0);
	}
	tap_failed += child_status(pid) != 0;
	MUST(read(fds[0], counts, sizeof(counts)) == sizeof(counts) ? 0 : -1);
	tap_n = counts[0];
	tap_failed += counts[1];
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	long soft = sysctl_value("/proc/sys/fs/pipe-user-pages-soft");
	struct rlimit r;

	page = sysconf(_SC_PAGESIZE);
	MUST(getrlimit(RLIMIT_NOFILE, &r));
	r.rlim_cur = r.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &r));
	/* two descriptors a pipe */
	if (soft <= 0 || 2 * soft / (PIPE_BYTES / page) + 100 > (long)r.rlim_cur)
		tap_skip_all("fs.pipe-user-pages-soft is off, or beyond reach");
	if (has_cap(CAP_SYS_RESOURCE) || has_cap(CAP_SYS_ADMIN))
		in_child(root_drops_capabilities, soft);
	in_child(ordinary, soft);
	return tap_end();
}
