/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/goquote.h"

/* Two of these, quoted, leave room in an error text for what precedes them. */
#define PART (ERROR_TEXT_MAX * 3 / 8)
#define GAP "\n[...]\n"

int logfile_open(const char *tmpdir, const char *id, struct error *err)
{
	/* never through a symbolic link that somebody put there */
	int flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int n;

	n = snprintf(path, sizeof(path), "%s/slirp4netns-%s.log", tmpdir, id);
	if (n < 0 || (size_t)n >= sizeof(path))
		return error_errno(err, -ENAMETOOLONG,
				   "failed to open slirp4netns log file %.200s...",
				   path);
	fd = open(path, flags, 0600);
	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open(path, flags, 0600);
	if (fd < 0)
		return error_errno(err, -errno,
				   "failed to open slirp4netns log file %s", path);
	if (unlink(path) < 0)
		return error_errno(err, -errno, "delete file %s", path);
	return TAKE_FD(fd);
}

const char *logfile_quote(int fd, char *buf, size_t size)
{
	char text[2 * PART + sizeof(GAP)];
	struct stat st = { 0 };
	size_t len = 0;
	ssize_t r;

	fstat(fd, &st);
	if (st.st_size <= 2 * PART) {
		r = pread(fd, text, 2 * PART, 0);
		len = r > 0 ? (size_t)r : 0;
		return goquote(text, len, buf, size);
	}
	r = pread(fd, text, PART, 0);
	len = r > 0 ? (size_t)r : 0;
	memcpy(text + len, GAP, sizeof(GAP) - 1);
	len += sizeof(GAP) - 1;
	r = pread(fd, text + len, PART, st.st_size - PART);
	len += r > 0 ? (size_t)r : 0;
	return goquote(text, len, buf, size);
}
