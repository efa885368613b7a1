/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ICMP child: it tells UDP clients by ICMP that a port is closed, and can do
 * nothing else. A raw socket sends any ICMP there is, from any address of the
 * host to anybody: redirects, router advertisements. Nothing in the kernel bounds
 * what goes out by one (SO_ATTACH_FILTER and SO_LOCK_FILTER are for what comes
 * in, seccomp(2) sees no packets, BPF_CGROUP_INET_EGRESS takes a cgroup of its
 * own). So the forwarder, which reads what strangers send, has none.
 */
#pragma once

#include "isolation/child.h"

/*
 * icmp_child_start - start it, while it is permitted: CAP_NET_RAW. It reads
 * struct icmp_refusal from @c->fd, at most ICMP_PER_SECOND of which become a
 * packet in each second; what makes no sense becomes none.
 * Returns 0, or -errno with @c untouched: -EPERM when there can be no raw socket.
 */
int icmp_child_start(struct child *c);
