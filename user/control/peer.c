/* SPDX-License-Identifier: Apache-2.0 */
#include "control/peer.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

/* fs_overflowuid of the kernel, unless the sysctl says otherwise. */
#define OVERFLOW_UID 65534

/* Every id has itself as its name: the initial user namespace, see user_namespaces(7). */
static bool all_ids_are_mapped(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned int inside, outside, count;

	return f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 && count == UINT32_MAX;
}

/* Elsewhere this id stands for all that have none, and among them may be this user. */
static bool is_anybody(uid_t uid)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/overflowuid", "re");
	unsigned int overflow = OVERFLOW_UID;

	if (f && fscanf(f, "%u", &overflow) != 1)
		overflow = OVERFLOW_UID;
	return uid == overflow && !all_ids_are_mapped();
}

bool control_peer_is_trusted(int fd, struct ucred *ret_peer)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	*ret_peer = (struct ucred){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*ret_peer = peer;
	return (peer.uid == 0 || peer.uid == geteuid()) && !is_anybody(peer.uid);
}

int control_peer_check(int fd, const char *what, const char *path, const char *meant,
		       struct error *err)
{
	struct ucred peer;

	if (control_peer_is_trusted(fd, &peer))
		return 0;
	return error_set(err, -EPERM, "%s %s: user id %u listens at it, not root or the user who "
			 "asks, and was asked nothing; run this as user id %u if its %s", what,
			 path, peer.uid, peer.uid, meant);
}
