/* SPDX-License-Identifier: Apache-2.0 */
#include "isolation/root.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Directories that a host has; the tmpfs covers one of them in our namespace only. */
static const char *const mount_points[] = { "/tmp", "/proc", "/dev", "/usr" };

static bool unshare_some(int flags)
{
	const int some = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	return unshare(flags | some) == 0 || unshare(flags | CLONE_NEWNS) == 0;
}

/* Enters the empty tmpfs that covers a directory. */
static bool enter_tmpfs(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;

	/* no mount of ours is seen by others, nor theirs by us */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(*mount_points); i++)
		if (mount("none", mount_points[i], "tmpfs", flags,
			  "mode=0555,nr_inodes=2,size=4096") == 0)
			return chdir(mount_points[i]) == 0;
	return false;
}

/* The working directory becomes the root, and the old root is left behind. */
static bool pivot(void)
{
	/* pivot_root(2), NOTES: both may be the same directory; the old one ends up on top */
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
	/* an initramfs cannot be left by it: Documentation/filesystems/ramfs-rootfs-initramfs.rst */
	return mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 &&
	       chdir("/") == 0;
}

bool isolation_empty_root(void)
{
	if (!unshare_some(0) && !unshare_some(CLONE_NEWUSER))
		return false;
	return enter_tmpfs() && pivot();
}
