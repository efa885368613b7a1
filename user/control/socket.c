/* SPDX-License-Identifier: Apache-2.0 */
#include "control/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "control/peer.h"

/* 5 ms each: whoever keeps to the rules holds the lock for less than one. */
#define LOCK_TRIES 200

static int set_path(struct sockaddr_un *sa, const char *path, struct error *err)
{
	size_t len = strlen(path);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!len)
		return error_set(err, -EINVAL, "the path of the control socket is empty");
	if (len >= sizeof(sa->sun_path))
		return error_set(err, -ENAMETOOLONG, "control socket %s: the path has %zu bytes, "
				 "at most %zu are possible", path, len, sizeof(sa->sun_path) - 1);
	memcpy(sa->sun_path, path, len);
	return 0;
}

/* Never anybody else's, not for a moment. */
static int bind_private(int fd, const struct sockaddr_un *sa)
{
	mode_t old = umask(0177);
	int r = bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;

	umask(old);
	return r;
}

/* Something is at the path: remove it if it is a socket that nobody listens at. */
static int remove_stale(const struct sockaddr_un *sa, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *path = sa->sun_path;
	struct stat st;

	if (fd < 0)
		return error_errno(err, -errno, "control socket %s", path);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "control socket %s", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "control socket %s: a file that is no socket has "
				 "this name", path);
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN)
		return error_set(err, -EADDRINUSE, "control socket %s: somebody listens at it: "
				 "is portshunt running there?", path);
	if (errno != ECONNREFUSED)
		return error_errno(err, -errno, "control socket %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, -errno, "cannot replace control socket %s", path);
	return 0;
}

/*
 * Between finding a stale file and listening at a new one nobody else may do
 * the same. The lock is the directory's, so that it leaves no file; where
 * it cannot be had, since the directory cannot be read, or somebody wants to be
 * a nuisance, it has to go without.
 */
static int lock_directory(const struct sockaddr_un *sa)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	const char *end = strrchr(sa->sun_path, '/');
	char dir[sizeof(sa->sun_path)] = ".";
	int fd;

	if (end)
		snprintf(dir, sizeof(dir), "%.*s", (int)(end - sa->sun_path) + 1, sa->sun_path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		nanosleep(&pause, NULL);
	return fd;
}

static int open_at(struct control_socket *s, const struct sockaddr_un *sa, struct error *err)
{
	_cleanup_close_ __attribute__((unused)) int lock = lock_directory(sa);
	_cleanup_close_ int fd = -1;
	const char *path = sa->sun_path;
	struct stat st;
	int r;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_private(fd, sa);
	if (r == -EADDRINUSE) {
		r = remove_stale(sa, err);
		if (r < 0)
			return r;
		r = bind_private(fd, sa);
	}
	if (r < 0)
		return error_errno(err, r, "cannot make control socket %s", path);
	if (listen(fd, SOMAXCONN) < 0 || lstat(path, &st) < 0) {
		r = -errno;
		unlink(path);
		return error_errno(err, r, "cannot listen at control socket %s", path);
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->fd = TAKE_FD(fd);
	return 0;
}

int control_socket_open(struct control_socket *s, const char *path, struct error *err)
{
	struct sockaddr_un sa;
	int r;

	*s = (struct control_socket){ .fd = -1, .path = path };
	r = set_path(&sa, path, err);
	return r < 0 ? r : open_at(s, &sa, err);
}

/* Both sides know this name: by the inode that the old one's file has. */
static void name_beside(const char *path, ino_t old, char beside[PATH_MAX])
{
	const char *end = strrchr(path, '/');

	snprintf(beside, PATH_MAX, "%.*s.%jx~", end ? (int)(end - path) + 1 : 0, path,
		 (uintmax_t)old);
}

int control_socket_open_beside(struct control_socket *s, const char *path, struct error *err)
{
	char beside[PATH_MAX];
	struct sockaddr_un sa;
	struct stat old;
	int r;

	*s = (struct control_socket){ .fd = -1, .path = path };
	r = set_path(&sa, path, err);
	if (r < 0)
		return r;
	if (lstat(path, &old) < 0)
		return error_errno(err, -errno, "control socket %s", path);
	name_beside(path, old.st_ino, beside);
	r = set_path(&sa, beside, err);
	if (r >= 0)
		r = open_at(s, &sa, err);
	if (r >= 0)
		memcpy(s->beside, sa.sun_path, sizeof(s->beside));
	return r;
}

int control_socket_replace(struct control_socket *s, struct error *err)
{
	if (!*s->beside)
		return 0;
	if (renameat2(AT_FDCWD, s->beside, AT_FDCWD, s->path, RENAME_EXCHANGE) == 0) {
		s->is_exchanged = true;
		return 0;
	}
	/* a file system that cannot exchange: there is no way back then */
	if (rename(s->beside, s->path) < 0)
		return error_errno(err, -errno, "cannot replace control socket %s", s->path);
	*s->beside = '\0';
	return 0;
}

void control_socket_settle(struct control_socket *s)
{
	if (s->is_exchanged)
		unlink(s->beside);
	s->is_exchanged = false;
	*s->beside = '\0';
}

static bool is_ours(const struct control_socket *s, const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino;
}

void control_socket_restore(const struct control_socket *s)
{
	char beside[PATH_MAX];
	struct stat st;

	name_beside(s->path, s->ino, beside);
	if (is_ours(s, beside))
		rename(beside, s->path);
	else if (is_ours(s, s->path) && lstat(beside, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(beside);
}

void control_socket_close(struct control_socket *s)
{
	const char *at = *s->beside && !s->is_exchanged ? s->beside : s->path;

	if (s->fd < 0)
		return;
	if (is_ours(s, at)) {
		if (s->is_exchanged)
			rename(s->beside, s->path);
		else
			unlink(at);
	}
	s->fd = fd_close(s->fd);
}

int control_socket_connect(const char *path, const struct control_wait *wait,
			   struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	int r = set_path(&sa, path, err);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : control_wait_connect(wait, fd, &sa);
	if (r < 0)
		return error_errno(err, r, "cannot connect to control socket %s", path);
	r = control_peer_check(fd, "control socket", path,
			       "portshunt is meant, else remove the file", err);
	return r < 0 ? r : TAKE_FD(fd);
}
