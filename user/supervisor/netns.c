/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/udp.h"
#include "supervisor/listen.h"

/* Each way; the kernel doubles it. */
#define BOUND_BYTES (1 << 20)

#define TW_REUSE "/proc/sys/net/ipv4/tcp_tw_reuse"
#define ACCEPT_DAD "/proc/sys/net/ipv6/conf/default/accept_dad"

int netns_open(const char *path, pid_t pid, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	char name[64];

	if (!path) {
		snprintf(name, sizeof(name), "/proc/%d/ns/net", pid);
		path = name;
	}
	/* of a FIFO or a terminal nothing is wanted but the answer */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && path == name && (errno == ENOENT || errno == ESRCH))
		return error_set(err, -ESRCH, "--pid %d: no such process", pid);
	if (fd < 0)
		return error_errno(err, -errno, "cannot open the network namespace %s",
				   path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC ||
	    ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return error_set(err, -EINVAL, "%s is not a network namespace", path);
	return TAKE_FD(fd);
}

int netns_owner(int fd)
{
	int owner = ioctl(fd, NS_GET_USERNS);

	return owner < 0 ? -errno : owner;
}

int netns_enter(int fd, struct error *err)
{
	_cleanup_close_ int owner = -1;

	if (setns(fd, CLONE_NEWNET) == 0)
		return 0;
	if (errno != EPERM)
		return error_errno(err, -errno, "cannot enter the network namespace");
	owner = netns_owner(fd);
	if (owner < 0 || setns(owner, CLONE_NEWUSER) < 0 || setns(fd, CLONE_NEWNET) < 0)
		return error_errno(err, -EPERM, "cannot enter the network namespace: it "
				   "belongs to another user");
	return 0;
}

int netns_lo_up(struct error *err)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return error_errno(err, -errno, "cannot read the flags of lo");
	if (ifr.ifr_flags & IFF_UP)
		return 0;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return error_errno(err, -errno, "cannot bring lo up");
	return 0;
}

static void cleanup_ifaddrs(struct ifaddrs **list)
{
	freeifaddrs(*list);
}

int netns_child_address(struct addr *ret, char *interface, struct error *err)
{
	_cleanup_(cleanup_ifaddrs) struct ifaddrs *list = NULL;
	struct addr a;

	if (getifaddrs(&list) < 0)
		return error_errno(err, -errno, "cannot list the container's addresses");
	addr_parse("127.0.0.1", ret);
	snprintf(interface, IF_NAMESIZE, "lo");
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || (i->ifa_flags & IFF_LOOPBACK))
			continue;
		if (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6)
			continue;
		addr_from_sockaddr((struct sockaddr_storage *)i->ifa_addr, &a, NULL);
		if (a.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a.v6))
			continue;
		*ret = a;
		snprintf(interface, IF_NAMESIZE, "%s", i->ifa_name);
		if (a.family == AF_INET)
			return 0;
	}
	return 0;
}

/* Not every family may be had, as listen_hint() says. */
static int try_socket(sa_family_t family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	fd_close(fd);
	return 0;
}

/* Of @i, which has to be of @family, and @interface (NULL: any but lo). */
static bool is_address_of(const struct ifaddrs *i, sa_family_t family, const char *interface,
			  struct addr *ret)
{
	if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
	    (interface ? strcmp(i->ifa_name, interface) != 0 : i->ifa_flags & IFF_LOOPBACK))
		return false;
	addr_from_sockaddr((struct sockaddr_storage *)i->ifa_addr, ret, NULL);
	return family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&ret->v6);
}

/* The interface that has @a; NULL: none. */
static const char *interface_of(const struct ifaddrs *list, const struct addr *a)
{
	struct addr b;

	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == a->family &&
		    addr_from_sockaddr((struct sockaddr_storage *)i->ifa_addr, &b, NULL) == 0 &&
		    addr_equal(a, &b))
			return i->ifa_name;
	return NULL;
}

static bool find_other(const struct ifaddrs *list, sa_family_t family, const char *interface,
		       struct addr *ret, char *ret_interface)
{
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!is_address_of(i, family, interface, ret))
			continue;
		snprintf(ret_interface, IF_NAMESIZE, "%s", i->ifa_name);
		return true;
	}
	return false;
}

static bool loopback_other(sa_family_t family, struct addr *ret, char *ret_interface)
{
	addr_parse(family == AF_INET6 ? "::1" : "127.0.0.1", ret);
	snprintf(ret_interface, IF_NAMESIZE, "lo");
	return netns_has_address(ret);
}

int netns_other_address(const struct addr *beside, struct addr *ret, char *interface,
			struct error *err)
{
	sa_family_t family = beside->family == AF_INET6 ? AF_INET : AF_INET6;
	_cleanup_(cleanup_ifaddrs) struct ifaddrs *list = NULL;
	char text[ADDR_TEXT_MAX];
	struct addr other;
	const char *of;
	int r = try_socket(beside->family);
	bool found;

	*ret = (struct addr){ .family = AF_UNSPEC };
	if (r < 0)
		return error_set(err, r, "cannot connect to %s: socket: %s%s",
				 addr_format(beside, text), errno_text(r),
				 listen_hint(beside->family, r));
	if (try_socket(family) < 0)
		return 0;
	if (addr_is_loopback(beside)) {
		found = loopback_other(family, &other, interface);
	} else if (getifaddrs(&list) < 0 || !(of = interface_of(list, beside))) {
		found = false;
	} else {
		found = find_other(list, family, of, &other, interface) ||
			find_other(list, family, NULL, &other, interface);
	}
	if (found)
		*ret = other;
	return 0;
}

int netns_accept_dad_off(int *ret_was, struct error *err)
{
	_cleanup_fclose_ FILE *f = fopen(ACCEPT_DAD, "re");
	int was = -1, r;

	*ret_was = -1;
	if (!f)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "%s", ACCEPT_DAD);
	if (fscanf(f, "%d", &was) != 1)
		return error_errno(err, -EIO, "%s", ACCEPT_DAD);
	r = fd_write_file(ACCEPT_DAD, "0");
	if (r < 0)
		return error_errno(err, r, "%s", ACCEPT_DAD);
	*ret_was = was;
	return 0;
}

void netns_accept_dad_restore(int was)
{
	char text[16];

	if (was < 0)
		return;
	snprintf(text, sizeof(text), "%d", was);
	fd_write_file(ACCEPT_DAD, text);
}

void netns_reuse_ports(void)
{
	int r = fd_write_file(TW_REUSE, "1");

	if (r < 0)
		log_debug(TW_REUSE ": %s", errno_text(r));
}

/* Whoever took over the forwarder gets TCP and UDP sockets from here, no others. */
static bool is_inet(int family)
{
	return family == AF_INET || family == AF_INET6;
}

bool netns_has_address(const struct addr *a)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage ss;
	socklen_t len;

	if (!is_inet(a->family))
		return false;
	fd = socket(a->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	len = addr_to_sockaddr(a, 0, &ss);
	return fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0;
}

int netns_socket(int family, bool local, bool bounded)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!is_inet(family))
		return -EAFNOSUPPORT;
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = tcp_set_options(fd);
	if (local)
		tcp_no_pacing(fd);
	if (bounded)
		tcp_bound_buffers(fd, BOUND_BYTES);
	return r < 0 ? r : TAKE_FD(fd);
}

int netns_udp_socket(int family)
{
	int fd;

	if (!is_inet(family))
		return -EAFNOSUPPORT;
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	udp_set_buffers(fd);
	return fd;
}

void netns_name(int fd, char name[NETNS_NAME_MAX])
{
	struct stat st;

	*name = '\0';
	if (fstat(fd, &st) == 0)
		netns_name_of(&st, name);
}

void netns_name_of(const struct stat *st, char name[NETNS_NAME_MAX])
{
	snprintf(name, NETNS_NAME_MAX, "%llx:%llx", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino);
}
