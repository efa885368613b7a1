/* SPDX-License-Identifier: Apache-2.0 */
/* A child that goes wrong, in every way: one clear line, at once, no remains. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "supervisor/slirp4netns/slirp4netns.h"
#include "unit/slirp4netns_fake.h"

static struct slirp4netns s;
static struct error err;

static int setup(void **state)
{
	slirp4netns_init(&s);
	memset(&err, 0, sizeof(err));
	return fake_setup(state);
}

/* Stopping twice is allowed; no child is left, running or dead. */
static int teardown(void **state)
{
	slirp4netns_stop(&s);
	slirp4netns_stop(&s);
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		return -1;
	return fake_teardown(state);
}

static int start_in(const char *tmpdir, const char *id)
{
	struct slirp4netns_target t = { .userns_fd = -1,
					.netns_path = "/proc/self/ns/net" };
	struct slirp4netns_options o;

	slirp4netns_options_init(&o);
	return slirp4netns_start(&s, &o, fake_path, true, tmpdir, id, &t, &err);
}

/* A fake that answers --help and then runs @script. */
static int start(const char *script)
{
	fake_write_help(FAKE_HELP, script);
	return start_in(fake_dir, "x1");
}

/* @fmt has %s where the path of the fake stands. */
static void assert_error(const char *fmt)
{
	char expected[ERROR_TEXT_MAX];

	snprintf(expected, sizeof(expected), fmt, fake_path, fake_path);
	assert_string_equal(err.text, expected);
}

static void test_dies_before_ready(void **state)
{
	struct {
		const char *script, *error;
	} cases[] = {
		{ "printf 'boom \"quoted\" \xc3\xa9\\ttab\\n' >&2; exit 1",
		  "%s failed: \"boom \\\"quoted\\\" \xc3\xa9\\ttab\\n\"" },
		{ "echo one; echo two >&2; exit 0", "%s failed: \"one\\ntwo\\n\"" },
		{ "exit 3", "%s failed: \"\" (exit status 3)" },
		{ "echo unheard; kill -KILL $$", "%s killed by signal" },
		{ "exec 4>&-; echo late >&2; exit 7", "%s failed: \"late\\n\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(start(cases[i].script), 0);
		assert_int_equal(slirp4netns_wait_ready(&s, &err), -ESRCH);
		assert_error(cases[i].error);
		assert_int_equal(s.pid, 0);
		/* it has been told and stays told */
		assert_int_equal(slirp4netns_death(&s, &err), -ECHILD);
		slirp4netns_stop(&s);
	}
}

/* A byte that came does not help when nobody is there any more. */
static void test_ready_then_dead(void **state)
{
	assert_int_equal(start("printf 1 >&4; echo gone; exit 2"), 0);
	assert_true(reap_wait(s.pidfd, DEADLINE_MS));
	assert_int_equal(slirp4netns_wait_ready(&s, &err), -ESRCH);
	assert_error("%s failed: \"gone\\n\"");
}

static void test_closes_ready(void **state)
{
	assert_int_equal(start("exec 4>&-; read x <&3"), 0);
	assert_int_equal(slirp4netns_wait_ready(&s, &err), -EPIPE);
	assert_error("failed to read from %s sync pipe: EOF");
	assert_int_equal(kill(s.pid, 0), 0);
}

static void test_dies_later(void **state)
{
	struct pollfd p;

	assert_int_equal(start("echo up; printf 1 >&4; read x <&3; echo down >&2; exit 9"),
			 0);
	assert_int_equal(slirp4netns_wait_ready(&s, &err), 0);
	assert_int_equal(s.ready_fd, -1);
	assert_int_equal(slirp4netns_ready(&s, &err), 1);
	assert_int_equal(slirp4netns_death(&s, &err), -EAGAIN);
	assert_string_equal(err.text, "");

	/* the end of the exit pipe is what it waits for */
	close(s.exit_fd);
	s.exit_fd = -1;
	p = (struct pollfd){ .fd = s.pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(slirp4netns_death(&s, &err), -ESRCH);
	assert_error("%s failed: \"up\\ndown\\n\"");
}

static void test_ready_in_a_loop(void **state)
{
	struct pollfd p;

	assert_int_equal(start("read x <&3"), 0);
	assert_int_equal(slirp4netns_ready(&s, &err), 0);
	slirp4netns_stop(&s);
	assert_int_equal(start("printf 1 >&4; read x <&3"), 0);
	p = (struct pollfd){ .fd = s.ready_fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(slirp4netns_ready(&s, &err), 1);
}

/* One that does not listen, and its child, are killed. */
static void test_stop_by_force(void **state)
{
	struct pollfd p = { .events = POLLHUP };
	char script[256];
	int pipe_fds[2];
	pid_t pid;

	/* the pipe's end tells when the last of the group is gone */
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	snprintf(script, sizeof(script),
		 "exec 8>/proc/%d/fd/%d; tail -f /dev/null & printf 1 >&4; "
		 "kill -STOP $$",
		 getpid(), pipe_fds[1]);
	assert_int_equal(start(script), 0);
	assert_int_equal(slirp4netns_wait_ready(&s, &err), 0);
	pid = s.pid;
	close(pipe_fds[1]);
	slirp4netns_stop(&s);
	assert_int_equal(s.pid, 0);
	assert_int_equal(kill(pid, 0), -1);
	p.fd = pipe_fds[0];
	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(p.revents, POLLHUP);
	close(pipe_fds[0]);
}

/* What the child has: five descriptors, its own group, quiet signals. */
static void test_surroundings(void **state)
{
	const char *ignored;
	int stray = open("/dev/null", O_RDONLY); /* not CLOEXEC */
	char text[4096] = { 0 };
	char pgid[64];
	sigset_t set, before;

	assert_true(stray >= 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &before);
	assert_int_equal(
		start("echo fds $(ls /proc/self/fd) end\n"
		      "echo \"0 $(readlink /proc/$$/fd/0)\"\n"
		      "grep -E '^Sig(Blk|Ign)' /proc/self/status\n"
		      "echo pgid $(cut -d' ' -f5 /proc/$$/stat) end\n"
		      "printf 1 >&4; read x <&3"),
		0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	close(stray);
	assert_int_equal(slirp4netns_wait_ready(&s, &err), 0);
	assert_true(pread(s.log_fd, text, sizeof(text) - 1, 0) > 0);
	/* 5 is the directory that ls reads */
	assert_non_null(strstr(text, "fds 0 1 2 3 4 5 end\n"));
	assert_non_null(strstr(text, "0 /dev/null\n"));
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
	/* 32 and 33 are the C library's own, out of our reach: signal(7) */
	ignored = strstr(text, "SigIgn:\t");
	assert_non_null(ignored);
	assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~UINT64_C(0x180000000), 0);
	snprintf(pgid, sizeof(pgid), "pgid %d end", s.pid);
	assert_non_null(strstr(text, pgid));
	assert_int_not_equal(getpgrp(), s.pid);
}

/* Sources below 5 and out of order: the caller has none of 0 to 4 open. */
static void test_low_descriptors(void **state)
{
	char text[64] = { 0 };
	int saved[5];
	int r, ready;

	fake_write_help(FAKE_HELP, "echo out; echo err >&2; printf 1 >&4; read x <&3");
	for (int i = 0; i < 5; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
		close(i);
	}
	r = start_in(fake_dir, "low");
	ready = r == 0 ? slirp4netns_wait_ready(&s, &err) : r;
	if (r == 0)
		r = pread(s.log_fd, text, sizeof(text) - 1, 0) > 0 ? 0 : -1;
	slirp4netns_stop(&s);
	for (int i = 0; i < 5; i++) {
		if (saved[i] >= 0)
			dup2(saved[i], i);
		close(saved[i]);
	}
	assert_int_equal(r, 0);
	assert_int_equal(ready, 0);
	assert_string_equal(text, "out\nerr\n");
}

static void test_long_log(void **state)
{
	size_t len;

	assert_int_equal(start("echo first line; i=0; while [ $i -lt 500 ]; do "
			       "i=$((i+1)); echo \"noise $i\"; done; "
			       "echo last line; exit 1"),
			 0);
	assert_int_equal(slirp4netns_wait_ready(&s, &err), -ESRCH);
	len = strlen(err.text);
	assert_true(len < ERROR_TEXT_MAX - 1);
	assert_non_null(strstr(err.text, " failed: \"first line\\nnoise 1\\n"));
	assert_non_null(strstr(err.text, "\\n[...]\\n"));
	assert_string_equal(err.text + len - 14, "\\nlast line\\n\"");
}

static void test_no_tmpdir(void **state)
{
	fake_write_help(FAKE_HELP, "exit 1");
	assert_int_equal(start_in("/nonexistent/dir", "x1"), -ENOENT);
	assert_string_equal(err.text,
			    "failed to open slirp4netns log file "
			    "/nonexistent/dir/slirp4netns-x1.log: no such file or "
			    "directory");
	assert_int_equal(s.pid, 0);
	assert_int_equal(s.exit_fd, -1);
	assert_int_equal(start_in(fake_path, "x1"), -ENOTDIR);
	assert_int_equal(start_in("/proc", "x1"), -ENOENT);
	assert_int_equal(start_in(fake_dir, "a/b"), -EINVAL);
	assert_string_equal(err.text, "invalid id \"a/b\": a file name is needed");
	assert_int_equal(start_in(fake_dir, ""), -EINVAL);
}

/* A name that is taken: by an old log, or by somebody's symbolic link. */
static void test_stale_log(void **state)
{
	char path[128], target[128];
	struct stat st;

	fake_write_help(FAKE_HELP, "echo new; exit 1");
	snprintf(path, sizeof(path), "%s/slirp4netns-x1.log", fake_dir);
	snprintf(target, sizeof(target), "%s/target", fake_dir);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(start_in(fake_dir, "x1"), 0);
	assert_int_equal(stat(target, &st), -1);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(slirp4netns_wait_ready(&s, &err), -ESRCH);
	assert_error("%s failed: \"new\\n\"");

	slirp4netns_stop(&s);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(start_in(fake_dir, "x1"), -EISDIR);
	assert_int_equal(rmdir(path), 0);
}

static void test_no_program(void **state)
{
	assert_int_equal(start_in(fake_dir, "x1"), -ENOENT);
	assert_error("checking slirp4netns binary %s: \"slirp4netns \\\"\\\": fork/exec "
		     "%1$s: no such file or directory\": slirp4netns \"\": fork/exec "
		     "%1$s: no such file or directory");
	fake_write("echo x; exit 3");
	assert_int_equal(start_in(fake_dir, "x1"), -EIO);
	assert_non_null(strstr(err.text, "slirp4netns \"x\\n\": exit status 3"));
}

/* The step that failed is named: here the join of a namespace that is none. */
static void test_no_userns(void **state)
{
	struct slirp4netns_target t = { .netns_path = "/x" };
	struct slirp4netns_options o;

	fake_write_help(FAKE_HELP, "exit 1");
	slirp4netns_options_init(&o);
	t.userns_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(slirp4netns_start(&s, &o, fake_path, true, fake_dir, "x1",
					   &t, &err),
			 -EINVAL);
	assert_string_equal(err.text,
			    "failed to start slirp4netns process: join the user "
			    "namespace: invalid argument");
	close(t.userns_fd);
}

static void test_no_descriptors(void **state)
{
	struct rlimit before, few;

	fake_write_help(FAKE_HELP, "exit 1");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t n = 3; n < 20; n++) {
		int r;

		few = (struct rlimit){ .rlim_cur = n, .rlim_max = before.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = start_in(fake_dir, "x1");
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		slirp4netns_stop(&s);
		if (r == 0)
			return; /* enough, from here on */
		assert_non_null(strstr(err.text, "too many open files"));
	}
	fail_msg("20 descriptors do not do");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_dies_before_ready), TEST(test_ready_then_dead),
		TEST(test_closes_ready),      TEST(test_dies_later),
		TEST(test_ready_in_a_loop),   TEST(test_stop_by_force),
		TEST(test_surroundings),      TEST(test_low_descriptors),
		TEST(test_long_log),	      TEST(test_no_tmpdir),
		TEST(test_stale_log),	      TEST(test_no_program),
		TEST(test_no_userns),	      TEST(test_no_descriptors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("supervisor/slirp4netns process", tests,
					   NULL, NULL);
}
