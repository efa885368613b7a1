/* SPDX-License-Identifier: Apache-2.0 */
/* Finding slirp4netns, asking what it can, and the command line that follows. */
#include <errno.h>
#include <signal.h>

#include "supervisor/slirp4netns/argv.h"
#include "supervisor/slirp4netns/probe.h"
#include "unit/slirp4netns_fake.h"

/* The arguments after argv[0] in one line, or the error. */
static const char *line(const char *help, const char *options,
			const struct slirp4netns_launch *launch)
{
	static char text[2048];
	struct slirp4netns_launch with_path = *launch;
	struct slirp4netns_features features;
	struct slirp4netns_options o;
	struct slirp4netns_argv argv;
	struct error err = { 0 };

	fake_write_help(help, "exit 1");
	assert_int_equal(slirp4netns_probe(fake_path, &features, &err), 0);
	slirp4netns_options_init(&o);
	if (options)
		assert_int_equal(slirp4netns_options_parse(&o, options, &err), 0);
	with_path.path = fake_path;
	text[0] = '\0';
	if (slirp4netns_argv_init(&argv, &with_path, &o, &features, &err) < 0) {
		snprintf(text, sizeof(text), "%s", err.text);
		assert_null(argv.v[0]);
		return text;
	}
	assert_string_equal(argv.v[0], fake_path);
	assert_null(argv.v[argv.n]);
	for (size_t i = 1; i < argv.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 i > 1 ? " " : "", argv.v[i]);
	slirp4netns_argv_done(&argv);
	return text;
}

#define WITH_PATH "-c -e 3 -r 4 --netns-type=path /run/netns/a tap0"

static const struct {
	const char *help, *options;
	struct slirp4netns_launch launch;
	const char *line;
} LINES[] = {
	/* podman 4.3.1's own line, with 1.2.0 */
	{ FAKE_HELP, NULL, { .sandbox = true, .netns_path = "/run/netns/a" },
	  "--disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp "
	  "--enable-ipv6 " WITH_PATH },
	/* no_pivot_root */
	{ FAKE_HELP, NULL, { .netns_path = "/run/netns/a" },
	  "--disable-host-loopback --mtu=65520 --enable-seccomp "
	  "--enable-ipv6 " WITH_PATH },
	{ FAKE_HELP,
	  "mtu=1400,cidr=10.9.0.0/16,outbound_addr6=::1,outbound_addr=127.0.0.1",
	  { .sandbox = true, .netns_path = "/run/netns/a", .api_path = "/t/id.net" },
	  "--disable-host-loopback --mtu=1400 --enable-sandbox --enable-seccomp "
	  "--cidr=10.9.0.0/16 --enable-ipv6 --outbound-addr=127.0.0.1 "
	  "--outbound-addr6=::1 -c -e 3 -r 4 --api-socket /t/id.net "
	  "--netns-type=path /run/netns/a tap0" },
	{ FAKE_HELP, "allow_host_loopback=true,enable_ipv6=false", { .pid = 77 },
	  "--mtu=65520 --enable-seccomp -c -e 3 -r 4 77 tap0" },
	/* an old program: dropped */
	{ "--cidr", "enable_ipv6=false",
	  { .sandbox = true, .netns_path = "/run/netns/a" }, WITH_PATH },
	{ "--mtu --enable-sandbox", "enable_ipv6=false,allow_host_loopback=true",
	  { .sandbox = true, .pid = 1, .api_path = "/x" },
	  "--mtu=65520 --enable-sandbox -c -e 3 -r 4 --api-socket /x 1 tap0" },
	/* or refused */
	{ "--mtu", NULL, { .pid = 1 }, "enable_ipv6 not supported" },
	{ "--mtu", "cidr=10.0.0.0/8", { .pid = 1 }, "cidr not supported" },
	{ "--enable-ipv6", "outbound_addr=lo", { .pid = 1 },
	  "outbound_addr not supported" },
	{ "--enable-ipv6", "outbound_addr6=lo", { .pid = 1 },
	  "outbound_addr6 not supported" },
	{ "--outbound-addr", "enable_ipv6=false,outbound_addr6=lo", { .pid = 1 },
	  "outbound_addr6 not supported" },
	{ FAKE_HELP, "enable_ipv6=false,outbound_addr6=lo", { .pid = 1 },
	  "enable_ipv6=true is required for outbound_addr6" },
};

static void test_lines(void **state)
{
	for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++)
		assert_string_equal(line(LINES[i].help, LINES[i].options,
					 &LINES[i].launch),
				    LINES[i].line);
}

/* Flags count wherever they stand, on stderr too. */
static void test_help_on_stderr(void **state)
{
	struct slirp4netns_features f;

	fake_write("echo 'a --mtu=MTU'; echo --enable-ipv6, >&2");
	assert_int_equal(slirp4netns_probe(fake_path, &f, NULL), 0);
	assert_true(f.mtu && f.enable_ipv6);
	assert_false(f.cidr || f.outbound_addr || f.enable_sandbox ||
		     f.enable_seccomp || f.disable_host_loopback);
}

static const struct {
	const char *script, *why; /* why: with %s for the path */
} FAILURES[] = {
	{ "echo OUT; exit 3", "slirp4netns \"OUT\\n\": exit status 3" },
	{ "exit 1", "slirp4netns \"\": exit status 1" },
	{ "printf 'say \"x\"'; kill -TERM $$",
	  "slirp4netns \"say \\\"x\\\"\": signal: terminated" },
	{ "kill -SEGV $$", "slirp4netns \"\": signal: segmentation fault" },
};

static void test_help_fails(void **state)
{
	static const char *const quoted[] = {
		"\"slirp4netns \\\"OUT\\\\n\\\": exit status 3\"",
		"\"slirp4netns \\\"\\\": exit status 1\"",
		"\"slirp4netns \\\"say \\\\\\\"x\\\\\\\"\\\": signal: terminated\"",
		"\"slirp4netns \\\"\\\": signal: segmentation fault\"",
	};

	for (size_t i = 0; i < sizeof(FAILURES) / sizeof(FAILURES[0]); i++) {
		struct slirp4netns_features f = { .mtu = true };
		struct error err = { 0 };
		char expected[1024];

		fake_write(FAILURES[i].script);
		assert_true(slirp4netns_probe(fake_path, &f, &err) < 0);
		snprintf(expected, sizeof(expected),
			 "checking slirp4netns binary %s: %s: %s", fake_path,
			 quoted[i], FAILURES[i].why);
		assert_string_equal(err.text, expected);
		assert_true(f.mtu);
	}
}

static void test_help_endless(void **state)
{
	struct slirp4netns_features f;
	struct error err = { 0 };

	/* more than a pipe holds, then what it left behind keeps the pipe */
	fake_write("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "
		   "'nothing of use, but a lot of it'; done\n"
		   "echo --mtu\n"
		   "(exec tail -f /dev/null) & exit 0");
	assert_int_equal(slirp4netns_probe(fake_path, &f, &err), 0);
	assert_false(f.mtu);
}

static void test_not_a_program(void **state)
{
	struct slirp4netns_features f;
	struct error err = { 0 };
	char expected[1024];

	snprintf(expected, sizeof(expected),
		 "checking slirp4netns binary %s: \"slirp4netns \\\"\\\": fork/exec "
		 "%s: no such file or directory\": slirp4netns \"\": fork/exec %s: "
		 "no such file or directory",
		 fake_path, fake_path, fake_path);
	assert_int_equal(slirp4netns_probe(fake_path, &f, &err), -ENOENT);
	assert_string_equal(err.text, expected);

	fake_write("");
	assert_int_equal(chmod(fake_path, 0644), 0);
	assert_int_equal(slirp4netns_probe(fake_path, &f, &err), -EACCES);
	assert_non_null(strstr(err.text, ": permission denied"));
	/* a directory */
	assert_int_equal(slirp4netns_probe(fake_dir, &f, &err), -EACCES);
}

static void test_find(void **state)
{
	char dirs[256], path[PATH_MAX] = "untouched";
	const char *before = getenv("PATH");
	struct error err = { 0 };
	char *saved;

	assert_non_null(before);
	saved = strdup(before);
	assert_non_null(saved);
	fake_write("");
	/* relative and empty entries, and directories, are no help */
	snprintf(dirs, sizeof(dirs), ":.:bin:/nonexistent:%s", fake_dir);
	setenv("PATH", dirs, 1);
	assert_int_equal(slirp4netns_find("fake", path, &err), 0);
	assert_string_equal(path, fake_path);
	assert_int_equal(slirp4netns_find("/configured/one", path, &err), 0);
	assert_string_equal(path, "/configured/one");

	assert_int_equal(slirp4netns_find(NULL, path, &err), -ENOENT);
	assert_string_equal(path, "/configured/one");
	assert_string_equal(err.text,
			    "could not find slirp4netns, the network namespace can't "
			    "be configured: exec: \"slirp4netns\": executable file not "
			    "found in $PATH (install it, or name it with "
			    "--slirp4netns PATH)");
	assert_int_equal(chmod(fake_path, 0644), 0);
	assert_int_equal(slirp4netns_find("fake", path, &err), -ENOENT);
	unsetenv("PATH");
	assert_int_equal(slirp4netns_find("fake", path, &err), -ENOENT);
	setenv("PATH", saved, 1);
	free(saved);
}

int main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lines),	  TEST(test_help_on_stderr),
		TEST(test_help_fails),	  TEST(test_help_endless),
		TEST(test_not_a_program), TEST(test_find),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("supervisor/slirp4netns argv", tests,
					   NULL, NULL);
}
