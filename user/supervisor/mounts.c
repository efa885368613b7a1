/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* What the host's file says besides its name servers holds inside too. */
static void copy_options(FILE *to)
{
	_cleanup_fclose_ FILE *from = fopen(RESOLV_CONF, "re");
	char line[1024];

	while (from && fgets(line, sizeof(line), from))
		if (strncmp(line, "search", 6) == 0 ||
		    strncmp(line, "domain", 6) == 0 ||
		    strncmp(line, "options", 7) == 0)
			fprintf(to, "%.*s\n", (int)strcspn(line, "\n"), line);
}

static int write_resolv_conf(const char *path, const struct addr *nameserver)
{
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	char text[ADDR_TEXT_MAX];

	if (!f)
		return -errno;
	/* for every user inside, whatever the caller's umask */
	fchmod(fileno(f), 0644);
	copy_options(f);
	fprintf(f, "nameserver %s\n", addr_format(nameserver, text));
	return fflush(f) ? -errno : 0;
}

/*
 * The file has to lie on a file system that can be bound from, and no place
 * on the host is ours to write: so on a tmpfs that hides /proc for a moment.
 */
static int mount_resolv_conf(const struct addr *nameserver, struct error *err)
{
	char target[PATH_MAX];
	int r;

	if (!realpath(RESOLV_CONF, target)) {
		log_warn(RESOLV_CONF ": %s: names may not resolve inside",
			 errno_text(errno));
		return 0;
	}
	if (mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=755,size=64k") < 0)
		return error_errno(err, -errno, "cannot mount a tmpfs for " RESOLV_CONF);
	r = write_resolv_conf("/proc/resolv.conf", nameserver);
	if (r >= 0 && mount("/proc/resolv.conf", target, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	umount2("/proc", MNT_DETACH);
	if (r < 0)
		return error_errno(err, r, "cannot mount over %s", target);
	return 0;
}

int mounts_setup(const struct addr *nameserver, struct error *err)
{
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_errno(err, -errno, "cannot make / a slave mount");
	if (nameserver->family) {
		r = mount_resolv_conf(nameserver, err);
		if (r < 0)
			return r;
	}
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		/* refused where parts of the host's /proc are masked */
		log_warn("cannot mount /proc (%s): the one of the host stays visible",
			 errno_text(errno));
	return 0;
}
