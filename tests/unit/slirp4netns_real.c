/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real slirp4netns in namespaces of the test's own: as root, and as an
 * ordinary user who owns a user namespace, where it joins that first.
 */
#include "base/cleanup.h"
#include "supervisor/slirp4netns/api.h"
#include "supervisor/slirp4netns/slirp4netns.h"
#include "unit/slirp4netns_world.h"

static struct slirp4netns s;
static struct slirp4netns_options options;
static struct error err;
static pid_t supervisor, orphan;

#define TAP "10.0.2.100/255.255.255.0 65520"

static void cleanup(void)
{
	if (orphan)
		kill(orphan, SIGKILL);
	if (supervisor) {
		kill(supervisor, SIGKILL);
		waitpid(supervisor, NULL, 0);
	}
	slirp4netns_stop(&s);
}

static void run(const char *(*scenario)(void), bool as_user)
{
	slirp4netns_init(&s);
	world_run(scenario, cleanup, as_user);
}

static int start_fd(int userns_fd, bool by_pid, bool no_pivot_root)
{
	struct slirp4netns_target t = {
		.userns_fd = userns_fd,
		.netns_path = by_pid ? NULL : target.netns,
		.pid = target.pid,
		.has_ports = true,
	};

	return slirp4netns_start(&s, &options, NULL, no_pivot_root, fake_dir, "real",
				 &t, &err);
}

static int start(bool join, bool by_pid)
{
	_cleanup_close_ int fd = -1;

	slirp4netns_options_init(&options);
	if (join)
		fd = open(target.userns, O_RDONLY | O_CLOEXEC);
	return start_fd(fd, by_pid, false);
}

/* Ready, tap0 there; stopped, the process and tap0 gone. */
static const char *up_and_down(bool join, bool by_pid)
{
	pid_t pid;

	TRY_ERR(start(join, by_pid) == 0, &err);
	TRY_ERR(slirp4netns_wait_ready(&s, &err) == 0, &err);
	TRY(strcmp(world_tap(), TAP) == 0);
	TRY(slirp4netns_death(&s, &err) == -EAGAIN);
	pid = s.pid;
	slirp4netns_stop(&s);
	TRY(kill(pid, 0) < 0 && errno == ESRCH);
	TRY(strcmp(world_tap(), "none") == 0);
	return NULL;
}

static const char *both_forms(bool new_user, bool join)
{
	const char *failure = world_target_start(new_user, 0);

	for (int by_pid = 0; !failure && by_pid < 2; by_pid++)
		failure = up_and_down(join, by_pid);
	return failure;
}

static const char *plain(void)
{
	return both_forms(false, false);
}

static const char *userns_not_joined(void)
{
	return both_forms(true, false);
}

static const char *userns_joined(void)
{
	return both_forms(true, true);
}

static void test_root(void **state)
{
	run(plain, false);
}

static void test_root_into_userns(void **state)
{
	run(userns_not_joined, false);
	run(userns_joined, false);
}

static void test_user(void **state)
{
	run(userns_joined, true);
}

static const char *other_options(void)
{
	const char *failure = world_target_start(true, 0);
	_cleanup_close_ int fd = -1;

	if (failure)
		return failure;
	fd = open(target.userns, O_RDONLY | O_CLOEXEC);
	slirp4netns_options_init(&options);
	TRY_ERR(slirp4netns_options_parse(&options,
					  "cidr=10.9.128.0/25,mtu=1400,"
					  "enable_ipv6=false,outbound_addr=lo",
					  &err) == 0,
		&err);
	TRY_ERR(start_fd(fd, false, true) == 0, &err);
	TRY_ERR(slirp4netns_wait_ready(&s, &err) == 0, &err);
	TRY(strcmp(world_tap(), "10.9.128.100/255.255.255.128 1400") == 0);
	return NULL;
}

static void test_user_options(void **state)
{
	run(other_options, true);
}

/*
 * On a host whose mounts are shared and whose /tmp is one of them, what the
 * sandbox mounts on /tmp must not come back and cover it.
 */
static const char *shared_tmp(void)
{
	const char *failure = world_target_start(false, 0);
	struct stat st;

	if (failure)
		return failure;
	TRY(unshare(CLONE_NEWNS) == 0);
	TRY(mount("/tmp", "/tmp", NULL, MS_BIND, NULL) == 0);
	TRY(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0);
	TRY_ERR(start(false, false) == 0, &err);
	TRY_ERR(slirp4netns_wait_ready(&s, &err) == 0, &err);
	TRY(stat(fake_dir, &st) == 0);
	return NULL;
}

static void test_shared_tmp(void **state)
{
	run(shared_tmp, false);
}

/* Already inside: joining one's own user namespace again is no error. */
static const char *inside_userns(void)
{
	const char *failure = world_target_start(true, 0);
	_cleanup_close_ int fd = -1;

	if (failure)
		return failure;
	fd = open(target.userns, O_RDONLY | O_CLOEXEC);
	TRY(setns(fd, CLONE_NEWUSER) == 0);
	failure = up_and_down(true, false);
	if (!failure)
		failure = up_and_down(false, true);
	return failure;
}

static void test_inside(void **state)
{
	run(inside_userns, true);
}

/* What slirp4netns refuses itself comes as its own words, in one line. */
static const char *refusals(void)
{
	struct {
		const char *option, *words;
	} cases[] = {
		{ "cidr=10.0.2.4/24", "failed: \"CIDR needs to be a network address" },
		{ "cidr=10.0.2.0/26", "failed: \"prefix length needs to be 1-25\\n" },
		{ "mtu=70000", "failed: \"MTU must be a positive integer" },
	};
	const char *failure = world_target_start(true, 0);
	_cleanup_close_ int fd = -1;

	if (failure)
		return failure;
	fd = open(target.userns, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		slirp4netns_options_init(&options);
		TRY(slirp4netns_options_parse(&options, cases[i].option, &err) == 0);
		TRY_ERR(start_fd(fd, false, false) == 0, &err);
		TRY(slirp4netns_wait_ready(&s, &err) == -ESRCH);
		TRY_ERR(strstr(err.text, cases[i].words), &err);
		slirp4netns_stop(&s);
	}
	world_target_stop();
	/* and a namespace that has gone */
	slirp4netns_options_init(&options);
	TRY_ERR(start_fd(-1, false, true) == 0, &err);
	TRY(slirp4netns_wait_ready(&s, &err) == -ESRCH);
	TRY_ERR(strstr(err.text, "failed: \"existing path expected"), &err);
	return NULL;
}

static void test_refusals(void **state)
{
	run(refusals, true);
}

static const char *no_tun(void)
{
	const char *failure = world_target_start(true, 0);

	if (failure)
		return failure;
	TRY_ERR(start(true, false) == 0, &err);
	TRY(slirp4netns_wait_ready(&s, &err) == -ESRCH);
	TRY_ERR(strstr(err.text, "slirp4netns failed: \"open(\\\"/dev/net/tun\\\"): "
				 "Permission denied\\n"),
		&err);
	return NULL;
}

static void test_user_without_tun(void **state)
{
	assert_int_equal(chmod("/mnt/tun", 0600), 0);
	run(no_tun, true);
	assert_int_equal(chmod("/mnt/tun", 0666), 0);
}

/* A namespace in which the user is not root, and nobody is. */
static const char *no_root_inside(void)
{
	const char *failure = world_target_start(true, 1000);

	if (failure)
		return failure;
	TRY(start(true, false) == -EINVAL);
	TRY_ERR(strcmp(err.text, "failed to start slirp4netns process: become root in "
				 "the user namespace: invalid argument") == 0,
		&err);
	return NULL;
}

static void test_no_root_inside(void **state)
{
	run(no_root_inside, true);
}

/* The ordinary user has no right to a mount namespace without joining. */
static const char *not_joined(void)
{
	const char *failure = world_target_start(true, 0);

	if (failure)
		return failure;
	TRY(start(false, false) == -EPERM);
	TRY_ERR(strcmp(err.text, "failed to start slirp4netns process: make a mount "
				 "namespace: operation not permitted") == 0,
		&err);
	return NULL;
}

static void test_user_not_joined(void **state)
{
	run(not_joined, true);
}

static const char *exit_fd(void)
{
	struct pollfd p = { .events = POLLIN };
	const char *failure = world_target_start(true, 0);

	if (failure)
		return failure;
	TRY_ERR(start(true, false) == 0, &err);
	TRY_ERR(slirp4netns_wait_ready(&s, &err) == 0, &err);
	s.exit_fd = fd_close(s.exit_fd);
	p.fd = s.pidfd;
	TRY(poll(&p, 1, DEADLINE_MS) == 1);
	return NULL;
}

static void test_exit_fd(void **state)
{
	run(exit_fd, false);
	run(exit_fd, true);
}

/* Sends the pidfd and a copy of the exit fd to @sock, and waits to be killed. */
static void __attribute__((noreturn)) be_supervisor(int sock)
{
	int fds[2];

	if (start(true, false) < 0 || slirp4netns_wait_ready(&s, &err) < 0)
		_exit(1);
	fds[0] = s.pidfd;
	fds[1] = s.exit_fd;
	if (fd_send(sock, &s.pid, sizeof(s.pid), fds, 2) < 0)
		_exit(1);
	for (;;)
		pause();
}

/*
 * Its supervisor is killed while somebody else still holds the exit fd. With
 * the sandbox its credentials have changed since the spawn, which must not
 * have made it deaf to its parent's death.
 */
static const char *supervisor_killed(void)
{
	const char *failure = world_target_start(true, 0);
	struct pollfd p = { .events = POLLIN };
	int socks[2], fds[2] = { -1, -1 };
	size_t n;

	if (failure)
		return failure;
	TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	supervisor = fork();
	TRY(supervisor >= 0);
	if (supervisor == 0)
		be_supervisor(socks[1]);
	close(socks[1]);
	TRY(fd_recv(socks[0], &orphan, sizeof(orphan), fds, 2, &n) == sizeof(orphan));
	TRY(n == 2);
	TRY(strcmp(world_tap(), TAP) == 0);
	TRY(kill(supervisor, SIGKILL) == 0);
	TRY(waitpid(supervisor, NULL, 0) == supervisor);
	supervisor = 0;
	p.fd = fds[0];
	TRY(poll(&p, 1, DEADLINE_MS) == 1);
	TRY(waitpid(orphan, NULL, 0) == orphan);
	orphan = 0;
	TRY(strcmp(world_tap(), "none") == 0);
	return NULL;
}

static void test_supervisor_killed(void **state)
{
	run(supervisor_killed, false);
	run(supervisor_killed, true);
}

static int listen_on(const char *host, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, host, &in.sin_addr);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 1) < 0)
		return fd_close(fd);
	getsockname(fd, (struct sockaddr *)&in, &len);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static const char *api_requests(uint16_t free_port, uint16_t busy_port)
{
	struct slirp4netns_hostfwd fwd = { .host_port = free_port, .guest_port = 80 };
	struct slirp4netns_hostfwd bad = { .host_port = busy_port, .guest_port = 81 };
	_cleanup_free_ struct slirp4netns_hostfwd *list = NULL;
	char host[ADDR_TEXT_MAX];
	size_t n;

	TRY(addr_parse("127.0.0.1", &fwd.host) == 0);
	bad.host = fwd.host;
	TRY_ERR(slirp4netns_add_hostfwd(&s, &fwd, &err) == 0, &err);
	TRY(fwd.id >= 0);
	TRY(listen_on("127.0.0.1", free_port, &free_port) < 0);
	TRY(slirp4netns_add_hostfwd(&s, &bad, &err) == -EREMOTEIO);
	TRY_ERR(strcmp(err.text,
		       "from slirp4netns while setting up port redirection: map[desc:bad "
		       "request: add_hostfwd: slirp_add_hostfwd failed]") == 0,
		&err);
	TRY_ERR(slirp4netns_list_hostfwd(&s, &list, &n, &err) == 0, &err);
	TRY(n == 1 && list[0].id == fwd.id && list[0].host_port == fwd.host_port);
	TRY(list[0].guest_port == 80 && !list[0].is_udp);
	TRY(strcmp(addr_format(&list[0].host, host), "127.0.0.1") == 0);
	TRY_ERR(slirp4netns_remove_hostfwd(&s, fwd.id, &err) == 0, &err);
	TRY(slirp4netns_remove_hostfwd(&s, fwd.id, &err) == -EREMOTEIO);

	/* UDP, everywhere, to an address of its own choice */
	fwd = (struct slirp4netns_hostfwd){ .is_udp = true, .host_port = free_port,
					    .guest_port = 53 };
	TRY(addr_parse("10.0.2.77", &fwd.guest) == 0);
	TRY_ERR(slirp4netns_add_hostfwd(&s, &fwd, &err) == 0, &err);
	free(TAKE_PTR(list));
	TRY_ERR(slirp4netns_list_hostfwd(&s, &list, &n, &err) == 0, &err);
	TRY(n == 1 && list[0].is_udp && addr_equal(&list[0].guest, &fwd.guest));
	TRY(strcmp(addr_format(&list[0].host, host), "0.0.0.0") == 0);
	return NULL;
}

/* Through a socket that has no name any more, and from outside its sandbox. */
static const char *api(void)
{
	const char *failure = world_target_start(true, 0);
	_cleanup_close_ int userns = -1, busy = -1, probe = -1;
	uint16_t busy_port, free_port;
	struct stat st;
	char path[128];

	if (failure)
		return failure;
	userns = open(target.userns, O_RDONLY | O_CLOEXEC);
	busy = listen_on("127.0.0.1", 0, &busy_port);
	probe = listen_on("127.0.0.1", 0, &free_port);
	TRY(busy >= 0 && probe >= 0);
	probe = fd_close(probe);
	snprintf(path, sizeof(path), "%s/real.net", fake_dir);

	slirp4netns_options_init(&options);
	TRY(slirp4netns_options_parse(&options, "port_handler=slirp4netns", &err) == 0);
	TRY_ERR(start_fd(userns, false, false) == 0, &err);
	TRY_ERR(slirp4netns_wait_ready(&s, &err) == 0, &err);
	TRY(stat(path, &st) == 0);
	TRY_ERR(slirp4netns_api_open(&s, &err) == 0, &err);
	TRY(stat(path, &st) < 0 && errno == ENOENT);
	failure = api_requests(free_port, busy_port);
	slirp4netns_stop(&s);
	if (failure)
		return failure;

	/* never opened: stop removes it all the same */
	TRY_ERR(start_fd(userns, false, false) == 0, &err);
	TRY_ERR(slirp4netns_wait_ready(&s, &err) == 0, &err);
	slirp4netns_stop(&s);
	TRY(stat(path, &st) < 0 && errno == ENOENT);
	return NULL;
}

static void test_api(void **state)
{
	run(api, false);
	run(api, true);
}

int main(void)
{
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_root),	  TEST(test_root_into_userns),
		TEST(test_user),	  TEST(test_user_options),
		TEST(test_shared_tmp),	  TEST(test_inside),
		TEST(test_refusals),
		TEST(test_user_without_tun), TEST(test_no_root_inside),
		TEST(test_user_not_joined), TEST(test_exit_fd),
		TEST(test_supervisor_killed), TEST(test_api),
	};
	const char *why = world_init();

	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("supervisor/slirp4netns real", tests, NULL,
					   NULL);
}
