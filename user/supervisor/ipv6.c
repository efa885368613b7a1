/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ipv6.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"

#define TAP "tap0"
#define DISABLED "/proc/sys/net/ipv6/conf/" TAP "/disable_ipv6"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Without the file the kernel has no IPv6, or there is no such interface. */
static bool is_enabled(void)
{
	_cleanup_fclose_ FILE *f = fopen(DISABLED, "re");
	int disabled;

	return f && fscanf(f, "%d", &disabled) == 1 && !disabled;
}

/* Lines of "fd00…0001 02 40 00 80 tap0": address, index, prefix, scope, flags. */
static bool has_address(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/net/if_inet6", "re");
	unsigned int scope, flags;
	char name[32];

	while (f && fscanf(f, "%*32s %*x %*x %x %x %31s", &scope, &flags, name) == 3)
		if (strcmp(name, TAP) == 0 && scope == 0 && !(flags & IFA_F_TENTATIVE))
			return true;
	return false;
}

/* A netlink socket that is readable when an address comes: rtnetlink(7). */
static int watch_addresses(void)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					NETLINK_ROUTE);
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV6_IFADDR,
	};

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static void discard(int fd)
{
	char unused[4096];

	while (recv(fd, unused, sizeof(unused), 0) > 0)
		;
}

void ipv6_wait(int timeout_ms)
{
	/* watched before it is looked for: none can come in between */
	_cleanup_close_ int fd = watch_addresses();
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left, end = now_ms() + timeout_ms;

	if (fd < 0 || !is_enabled())
		return;
	while (!has_address()) {
		left = end - now_ms();
		if (left <= 0 || poll(&pfd, 1, (int)left) == 0) {
			log_debug("IPv6 of " TAP " is not there after %d ms", timeout_ms);
			return;
		}
		discard(fd);
	}
}
