/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* include/uapi/linux/landlock.h of Linux 6.12, which the headers of Debian 12 have in part. */
struct ruleset {
	uint64_t files, net; /* the rights that rules give, and that nobody has otherwise */
	uint64_t scoped;
};

struct port_rule {
	uint64_t rights, port;
};

#define GET_VERSION 1u
#define ALL_FILES ((1ull << 13) - 1) /* the rights of version 1, which later ones add to */
#define BIND_TCP 1ull
#define CONNECT_TCP 2ull
#define ALL_SCOPED 3ull
#define RULE_PORT 2

static int get_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
}

static int allow_port(int fd, uint16_t port)
{
	const struct port_rule rule = { .rights = CONNECT_TCP, .port = port };

	return (int)syscall(SYS_landlock_add_rule, fd, RULE_PORT, &rule, 0);
}

int isolation_landlock(void)
{
	int version = get_version();
	struct ruleset r = { .files = ALL_FILES };
	size_t size = offsetof(struct ruleset, net);
	_cleanup_close_ int fd = -1;

	if (version < 0)
		return -errno;
	if (version >= 4) {
		r.net = BIND_TCP;
		size = offsetof(struct ruleset, scoped);
	}
	if (version >= 6) {
		r.scoped = ALL_SCOPED;
		size = sizeof(r);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return version;
}

int isolation_landlock_connect(const uint16_t *ports, size_t n)
{
	const struct ruleset r = { .net = CONNECT_TCP };
	_cleanup_close_ int fd = -1;

	if (get_version() < 4)
		return -EOPNOTSUPP;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, offsetof(struct ruleset, scoped), 0);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (allow_port(fd, ports[i]) < 0)
			return -errno;
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
