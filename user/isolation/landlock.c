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

static int allow_port(int fd, uint16_t port)
{
	const struct port_rule rule = { .rights = CONNECT_TCP, .port = port };

	return (int)syscall(SYS_landlock_add_rule, fd, RULE_PORT, &rule, 0);
}

int isolation_landlock(uint16_t tcp_port)
{
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
	struct ruleset r = { .files = ALL_FILES };
	size_t size = offsetof(struct ruleset, net);
	_cleanup_close_ int fd = -1;

	if (version < 0)
		return -errno;
	if (version >= 4) {
		r.net = BIND_TCP | (tcp_port ? CONNECT_TCP : 0);
		size = offsetof(struct ruleset, scoped);
	}
	if (version >= 6) {
		r.scoped = ALL_SCOPED;
		size = sizeof(r);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd < 0 || (version >= 4 && tcp_port && allow_port(fd, tcp_port) < 0) ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return version;
}
