/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces for the real slirp4netns, for tests as root and as an ordinary
 * user. A scenario runs in a process of its own, which may therefore change
 * its user, die, or leave children; it returns NULL, or what went wrong.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "supervisor/slirp4netns/probe.h"
#include "unit/slirp4netns_fake.h"

/* Nobody on any Debian system. */
#define WORLD_UID 64321

#define TRY(condition)                                                         \
	do {                                                                   \
		if (!(condition))                                              \
			return world_text("%s:%d: %s: %s", __FILE__, __LINE__, \
					  #condition, strerror(errno));        \
	} while (0)

/* The same, with the text of the error that a call has set. */
#define TRY_ERR(condition, err)                                                \
	do {                                                                   \
		if (!(condition))                                              \
			return world_text("%s:%d: %s: %s", __FILE__, __LINE__, \
					  #condition, (err)->text);            \
	} while (0)

static inline const char *__attribute__((format(printf, 1, 2)))
world_text(const char *fmt, ...)
{
	static char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

/*
 * A /dev/net/tun that everybody may open, in a mount namespace of the test's
 * own. Returns NULL, or why the real slirp4netns cannot run here.
 */
static inline const char *world_init(void)
{
	char path[PATH_MAX];
	int fd;

	if (slirp4netns_find(NULL, path, NULL) < 0)
		return "slirp4netns is not installed, see make deps";
	if (geteuid() != 0)
		return "only root can make namespaces for both cases";
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "no mount namespace can be made";
	/* not on /dev/net, which may not be there */
	if (mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755") < 0 ||
	    mkdir("/mnt/dev", 0755) < 0 ||
	    mknod("/mnt/tun", S_IFCHR | 0666, makedev(10, 200)) < 0 ||
	    chmod("/mnt/tun", 0666) < 0)
		return "no device node can be made";
	if (mount("/mnt/tun", "/dev/net/tun", NULL, MS_BIND, NULL) < 0)
		return "there is no /dev/net/tun";
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "/dev/net/tun cannot be opened";
	close(fd);
	return NULL;
}

/* "10.0.2.100/255.255.255.0 65520" of tap0, or "none". */
static inline void world_look(char *text, size_t size)
{
	struct ifaddrs *list = NULL;
	struct ifreq ifr = { .ifr_name = "tap0" };
	char addr[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(text, size, "none");
	if (getifaddrs(&list) < 0 || ioctl(fd, SIOCGIFMTU, &ifr) < 0)
		ifr.ifr_mtu = 0;
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, "tap0") != 0 || !i->ifa_addr ||
		    i->ifa_addr->sa_family != AF_INET)
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr,
			  addr, sizeof(addr));
		inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_netmask)->sin_addr,
			  mask, sizeof(mask));
		snprintf(text, size, "%s/%s %d", addr, mask, ifr.ifr_mtu);
	}
	freeifaddrs(list);
	close(fd);
}

static inline int world_enter(bool new_user, const char *uid_map)
{
	if (unshare(CLONE_NEWNET | (new_user ? CLONE_NEWUSER : 0)) < 0)
		return -1;
	if (!new_user)
		return 0;
	if (fd_write_file("/proc/self/setgroups", "deny") < 0 ||
	    fd_write_file("/proc/self/uid_map", uid_map) < 0 ||
	    fd_write_file("/proc/self/gid_map", uid_map) < 0)
		return -1;
	return 0;
}

static inline void __attribute__((noreturn))
world_serve(int fd, bool new_user, const char *uid_map)
{
	char text[128];
	char command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (world_enter(new_user, uid_map) < 0)
		_exit(1);
	/* ready; then an answer for each byte, until the other end closes */
	if (write(fd, "r", 1) != 1)
		_exit(1);
	while (read(fd, &command, 1) == 1) {
		world_look(text, sizeof(text));
		if (write(fd, text, sizeof(text)) != sizeof(text))
			_exit(1);
	}
	_exit(0);
}

/* A process in namespaces of its own that answers what it sees there. */
static struct {
	pid_t pid;
	int fd;
	char netns[64], userns[64];
} target;

/* The user namespace maps @inside to the caller's id. */
static inline const char *world_target_start(bool new_user, unsigned inside)
{
	char uid_map[64], byte;
	int fds[2];

	snprintf(uid_map, sizeof(uid_map), "%u %u 1", inside, geteuid());
	TRY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	target.pid = fork();
	TRY(target.pid >= 0);
	if (target.pid == 0) {
		close(fds[0]);
		world_serve(fds[1], new_user, uid_map);
	}
	close(fds[1]);
	target.fd = fds[0];
	TRY(read(target.fd, &byte, 1) == 1);
	snprintf(target.netns, sizeof(target.netns), "/proc/%d/ns/net", target.pid);
	snprintf(target.userns, sizeof(target.userns), "/proc/%d/ns/user", target.pid);
	return NULL;
}

static inline const char *world_tap(void)
{
	static char text[128];

	if (write(target.fd, "?", 1) != 1 ||
	    fd_read_all(target.fd, text, sizeof(text)) != sizeof(text))
		return "no answer";
	return text;
}

static inline void world_target_stop(void)
{
	if (!target.pid)
		return;
	close(target.fd);
	kill(target.pid, SIGKILL);
	waitpid(target.pid, NULL, 0);
	target.pid = 0;
}

/* Every scenario reaps what it started, or finds it here as a failure. */
static inline const char *world_clean(const char *failure)
{
	pid_t pid;

	world_target_stop();
	while ((pid = waitpid(-1, NULL, 0)) > 0)
		if (!failure)
			failure = world_text("process %d is left", pid);
	return failure;
}

static inline int become_user(void)
{
	if (setresgid(WORLD_UID, WORLD_UID, WORLD_UID) < 0 ||
	    setresuid(WORLD_UID, WORLD_UID, WORLD_UID) < 0)
		return -1;
	/* or /proc/self stays root's, and no id map can be written */
	return prctl(PR_SET_DUMPABLE, 1);
}

/*
 * Run @scenario in a process of its own, as the ordinary user when @as_user,
 * and @cleanup after it whatever came.
 */
static inline void world_run(const char *(*scenario)(void), void (*cleanup)(void),
			     bool as_user)
{
	char text[2048] = { 0 };
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	if (as_user)
		assert_int_equal(chown(fake_dir, WORLD_UID, WORLD_UID), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const char *failure = "cannot become an ordinary user";

		close(fds[0]);
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		if (!as_user || become_user() == 0)
			failure = scenario();
		cleanup();
		failure = world_clean(failure);
		if (failure)
			fd_write_all(fds[1], failure, strlen(failure));
		_exit(0);
	}
	close(fds[1]);
	assert_true(fd_read_all(fds[0], text, sizeof(text) - 1) >= 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(text, "");
	assert_int_equal(status, 0);
}
