/* SPDX-License-Identifier: Apache-2.0 */
/* The API client against replies and deaths that the real one does not give. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "supervisor/slirp4netns/api.h"
#include "unit/slirp4netns_fake.h"

static struct slirp4netns s;
static struct error err;
static char socket_path[128];
static int listener = -1;

static int setup(void **state)
{
	slirp4netns_init(&s);
	memset(&err, 0, sizeof(err));
	return fake_setup(state);
}

static int teardown(void **state)
{
	slirp4netns_stop(&s);
	listener = fd_close(listener);
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		return -1;
	return fake_teardown(state);
}

static int start_id(const char *script, const char *id)
{
	struct slirp4netns_target t = { .userns_fd = -1, .pid = 1, .has_ports = true };
	struct slirp4netns_options o;

	slirp4netns_options_init(&o);
	assert_int_equal(
		slirp4netns_options_parse(&o, "port_handler=slirp4netns", &err), 0);
	fake_write_help(FAKE_HELP, script);
	snprintf(socket_path, sizeof(socket_path), "%s/%s.net", fake_dir, id);
	return slirp4netns_start(&s, &o, fake_path, true, fake_dir, id, &t, &err);
}

static void start(const char *script)
{
	assert_int_equal(start_id(script, "x1"), 0);
}

/* @fmt: %s stands for the socket's path. */
static void assert_error(const char *fmt)
{
	char expected[ERROR_TEXT_MAX];

	snprintf(expected, sizeof(expected), fmt, socket_path);
	assert_string_equal(err.text, expected);
}

/* The test is the server; slirp4netns only has to live. */
static void serve(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	start("printf 1 >&4; read x <&3");
	assert_int_equal(slirp4netns_wait_ready(&s, &err), 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(strlen(socket_path) < sizeof(sa.sun_path));
	strcpy(sa.sun_path, socket_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(slirp4netns_api_open(&s, &err), 0);
	assert_int_equal(access(socket_path, F_OK), -1);
	assert_int_equal(slirp4netns_api_open(&s, &err), 0);
}

/* One connection is answered in a child; its request comes out of the pipe. */
static int answer(const char *reply, pid_t *ret_pid)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		char text[4096];
		int fd = accept(listener, NULL, NULL);
		ssize_t n = fd_read_all(fd, text, sizeof(text));

		fd_write_all(fds[1], text, n > 0 ? (size_t)n : 0);
		fd_write_all(fd, reply, strlen(reply));
		_exit(0);
	}
	close(fds[1]);
	return fds[0];
}

static void assert_request(int fd, pid_t pid, const char *expected)
{
	char text[4096] = { 0 };

	assert_true(fd_read_all(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_string_equal(text, expected);
}

#define REQUEST                                                                \
	"{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"tcp\","        \
	"\"host_addr\":\"0.0.0.0\",\"host_port\":8080,\"guest_addr\":\"\","     \
	"\"guest_port\":80}}\n"

static void test_replies(void **state)
{
	static const struct {
		const char *reply;
		int r;
		const char *error;
		int64_t id;
	} cases[] = {
		{ "{\"return\":{\"id\":42}}", 0, "", 42 },
		{ "{\"return\":{}}\n", 0, "", -1 },
		{ "{}", 0, "", -1 },
		{ "{\"error\":{\"desc\":\"bad request: x\",\"class\":7}}", -EREMOTEIO,
		  "from slirp4netns while setting up port redirection: map[class:7 "
		  "desc:bad request: x]",
		  0 },
		{ "{\"error\":null}", -EREMOTEIO,
		  "from slirp4netns while setting up port redirection: <nil>", 0 },
		{ "{\"error\":\"no\\nway\"}", -EREMOTEIO,
		  "from slirp4netns while setting up port redirection: no?way", 0 },
		{ "", -EINVAL,
		  "parsing error status from slirp4netns: unexpected end of JSON input",
		  0 },
		{ "{\"return\"", -EINVAL,
		  "parsing error status from slirp4netns: unexpected end of JSON input",
		  0 },
		{ "what?", -EINVAL,
		  "parsing error status from slirp4netns: invalid JSON at byte 0: "
		  "unexpected character",
		  0 },
		{ "[1]", -EINVAL,
		  "parsing error status from slirp4netns: not an object", 0 },
		{ "null", -EINVAL,
		  "parsing error status from slirp4netns: not an object", 0 },
	};

	serve();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slirp4netns_hostfwd fwd = { .host_port = 8080,
						   .guest_port = 80 };
		pid_t pid;
		int fd = answer(cases[i].reply, &pid);

		err.text[0] = '\0';
		assert_int_equal(slirp4netns_add_hostfwd(&s, &fwd, &err), cases[i].r);
		assert_request(fd, pid, REQUEST);
		assert_string_equal(err.text, cases[i].error);
		assert_int_equal(fwd.id, cases[i].id);
	}
}

/* One byte after the other, and never the last. */
static void test_drip(void **state)
{
	struct slirp4netns_hostfwd fwd = { .host_port = 8080, .guest_port = 80 };
	char text[4096];
	pid_t pid;
	int fd;

	serve();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fd = accept(listener, NULL, NULL);
		fd_read_all(fd, text, sizeof(text));
		while (send(fd, " ", 1, MSG_NOSIGNAL) == 1)
			poll(NULL, 0, 100);
		_exit(0);
	}
	assert_int_equal(slirp4netns_add_hostfwd(&s, &fwd, &err), -ETIMEDOUT);
	assert_error("cannot read from control socket %s: connection timed out");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_other_requests(void **state)
{
	struct slirp4netns_hostfwd fwd = { .is_udp = true, .host_port = 65535,
					   .guest_port = 1 };
	pid_t pid;
	int fd;

	serve();
	assert_int_equal(addr_parse("127.0.0.9", &fwd.host), 0);
	assert_int_equal(addr_parse("10.0.2.101", &fwd.guest), 0);
	fd = answer("{\"return\":{\"id\":0}}", &pid);
	assert_int_equal(slirp4netns_add_hostfwd(&s, &fwd, &err), 0);
	assert_request(fd, pid,
		       "{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"udp\","
		       "\"host_addr\":\"127.0.0.9\",\"host_port\":65535,"
		       "\"guest_addr\":\"10.0.2.101\",\"guest_port\":1}}\n");
	assert_int_equal(fwd.id, 0);
	fd = answer("{\"return\":{}}", &pid);
	assert_int_equal(slirp4netns_remove_hostfwd(&s, 12, &err), 0);
	assert_request(fd, pid, "{\"execute\":\"remove_hostfwd\",\"arguments\":"
				"{\"id\":12}}\n");
}

#define ENTRY                                                                  \
	"{\"id\":3,\"proto\":\"udp\",\"host_addr\":\"0.0.0.0\",\"host_port\":53," \
	"\"guest_addr\":\"10.0.2.100\",\"guest_port\":5353}"

static int list(const char *reply, struct slirp4netns_hostfwd **ret, size_t *n)
{
	pid_t pid;
	int fd = answer(reply, &pid);
	int r = slirp4netns_list_hostfwd(&s, ret, n, &err);

	assert_request(fd, pid, "{\"execute\":\"list_hostfwd\"}\n");
	return r;
}

/* The shape of the program, and the one of its manual. */
static void test_list(void **state)
{
	static const char *const good[] = {
		"{\"entries\":[" ENTRY "]}",
		"{\"return\":{\"entries\":[" ENTRY "]}}",
	};
	static const char *const bad[] = {
		"{}", "{\"return\":{}}", "{\"entries\":null}", "{\"entries\":[1]}",
		"{\"entries\":[" ENTRY ",{\"id\":4,\"proto\":\"sctp\"}]}",
	};
	struct slirp4netns_hostfwd *fwd = NULL;
	size_t n;

	serve();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(list(good[i], &fwd, &n), 0);
		assert_int_equal(n, 1);
		assert_int_equal(fwd->id, 3);
		assert_true(fwd->is_udp);
		assert_int_equal(fwd->host_port, 53);
		assert_int_equal(fwd->guest_port, 5353);
		free(fwd);
	}
	assert_int_equal(list("{\"entries\":[]}", &fwd, &n), 0);
	assert_int_equal(n, 0);
	free(fwd);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(list(bad[i], &fwd, &n), -EINVAL);
		assert_memory_equal(err.text, "parsing list_hostfwd of slirp4netns: ",
				    37);
	}
}

/* Longer than one read, and than slirp4netns' own limit for requests. */
static void test_long_list(void **state)
{
	static char reply[2000 * sizeof(ENTRY) + 64];
	struct slirp4netns_hostfwd *fwd = NULL;
	char *p = stpcpy(reply, "{\"entries\":[" ENTRY);
	size_t n;

	for (int i = 1; i < 2000; i++)
		p = stpcpy(p, "," ENTRY);
	strcpy(p, "]}");
	serve();
	assert_int_equal(list(reply, &fwd, &n), 0);
	assert_int_equal(n, 2000);
	assert_int_equal(fwd[1999].guest_port, 5353);
	free(fwd);
}

static void test_nobody_listens(void **state)
{
	struct slirp4netns_hostfwd fwd = { 0 };

	serve();
	listener = fd_close(listener);
	assert_int_equal(slirp4netns_add_hostfwd(&s, &fwd, &err), -ECONNREFUSED);
	assert_error("cannot open connection to %s: connection refused");
}

/* Told at once, not after the minute that the socket is given. */
static void test_dies_first(void **state)
{
	struct deadline end = deadline_in(DEADLINE_MS);

	start("printf 1 >&4; read x <&3; exit 7");
	assert_int_equal(slirp4netns_wait_ready(&s, &err), 0);
	s.exit_fd = fd_close(s.exit_fd);
	assert_int_equal(slirp4netns_api_open(&s, &err), -ESRCH);
	assert_error("waiting for slirp4nets to create the api socket file %s: "
		     "slirp4netns exited with status 7");
	assert_int_equal(slirp4netns_api_open(&s, &err), -EINVAL);

	slirp4netns_stop(&s);
	start("printf 1 >&4; kill -TERM $$");
	assert_int_equal(slirp4netns_api_open(&s, &err), -ESRCH);
	assert_error("waiting for slirp4nets to create the api socket file %s: "
		     "slirp4netns killed by signal 15");
	assert_true(deadline_left(&end) > 0);
}

static void test_no_socket(void **state)
{
	start("printf 1 >&4; read x <&3");
	assert_int_equal(mkdir(socket_path, 0700), 0);
	assert_int_equal(slirp4netns_api_open(&s, &err), -ENOTSOCK);
	assert_error("waiting for slirp4nets to create the api socket file %s: "
		     "socket operation on non-socket");
	assert_int_equal(rmdir(socket_path), 0);
}

static void test_long_path(void **state)
{
	char id[128], expected[512];

	/* the longest that fits has 107 bytes */
	memset(id, 'i', sizeof(id));
	id[107 - strlen(fake_dir) - strlen("/.net")] = '\0';
	assert_int_equal(start_id("read x <&3", id), 0);
	slirp4netns_stop(&s);
	strcat(id, "i");
	assert_int_equal(start_id("read x <&3", id), -ENAMETOOLONG);
	snprintf(expected, sizeof(expected),
		 "slirp4netns API socket %s/%s.net: 108 bytes, at most 107 are "
		 "possible (a shorter --tmpdir or --id helps)",
		 fake_dir, id);
	assert_string_equal(err.text, expected);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_replies),	   TEST(test_other_requests),
		TEST(test_list),	   TEST(test_long_list),
		TEST(test_nobody_listens), TEST(test_dies_first),
		TEST(test_no_socket),	   TEST(test_long_path),
		TEST(test_drip),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("supervisor/slirp4netns api", tests, NULL,
					   NULL);
}
