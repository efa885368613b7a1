/* SPDX-License-Identifier: Apache-2.0 */
/* What is done inside a network namespace by the process that lives there. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

/*
 * netns_open - the namespace at @path, or of process @pid when @path is NULL.
 * Returns a descriptor that the caller owns, or -errno with @err set.
 */
int netns_open(const char *path, pid_t pid, struct error *err);

/*
 * netns_owner - the user namespace that owns @fd's namespace (ioctl_ns(2)).
 * Returns a descriptor that the caller owns, or -errno: -EPERM when it is not
 * one below the caller's.
 */
int netns_owner(int fd);

/*
 * netns_enter - setns(2) into @fd; where that is not permitted, its owning
 * user namespace (ioctl_ns(2)) is joined first. Returns 0 or -errno.
 */
int netns_enter(int fd, struct error *err);

/* netns_lo_up - bring the loopback interface up. Returns 0 or -errno. */
int netns_lo_up(struct error *err);

/*
 * netns_child_address - the first IPv4 address of an interface that is not
 * loopback, else the last IPv6 one (not link-local), else 127.0.0.1.
 * Returns 0 or -errno; @interface gets its name, IF_NAMESIZE bytes.
 */
int netns_child_address(struct addr *ret, char *interface, struct error *err);

/*
 * netns_other_address - an address of the other family beside @beside: of the same interface,
 * else of another one; beside 127.0.0.1 or ::1, which only who asks for them gets, the other of
 * these two. AF_UNSPEC: there is none that can be connected to, or @beside is another machine's.
 * Returns 0 or -errno: sockets of @beside's own family cannot be had; @interface as above.
 */
int netns_other_address(const struct addr *beside, struct addr *ret, char *interface,
			struct error *err);

/*
 * netns_accept_dad_off - net.ipv6.conf.default.accept_dad to 0, so that the
 * address slirp4netns sets is usable at once (RFC 4862 section 5.4 would take
 * a second or two). *ret_was gets the value for netns_accept_dad_restore(),
 * or -1 when there is nothing to restore. A kernel without IPv6 is no error.
 */
int netns_accept_dad_off(int *ret_was, struct error *err);
void netns_accept_dad_restore(int was);

/*
 * netns_reuse_ports - net.ipv4.tcp_tw_reuse to 1, in a namespace of our own:
 * where clients close first, the legs to the container wait in TIME_WAIT, and
 * without it 28 000 of them in a minute use up the ports (ip-sysctl.rst; on
 * loopback addresses it is the default).
 */
void netns_reuse_ports(void);

/*
 * netns_name - a text that is the same for two descriptors of one network
 * namespace, from netns_open(); "" for -1.
 * netns_name_of - the same from the stat(2) of one.
 */
#define NETNS_NAME_MAX 48
struct stat;
void netns_name_of(const struct stat *st, char name[NETNS_NAME_MAX]);
void netns_name(int fd, char name[NETNS_NAME_MAX]);

/* netns_has_address - is @a an address of this namespace itself? */
bool netns_has_address(const struct addr *a);

/*
 * netns_socket - a TCP socket made here, to be connected elsewhere:
 * non-blocking, TCP_NODELAY, keepalive of 15 s; @local: the peer lives in this
 * namespace, and nothing needs pacing; @bounded: tcp_bound_buffers(), where the
 * namespace is a container's, whose net.ipv4.tcp_[rw]mem would decide else how
 * much of the host's memory a connection may hold. Returns it or -errno.
 */
int netns_socket(int family, bool local, bool bounded);

/* netns_udp_socket - the same for UDP, with the options of base/udp.h. */
int netns_udp_socket(int family);
