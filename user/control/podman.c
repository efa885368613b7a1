/* SPDX-License-Identifier: Apache-2.0 */
#include "control/podman.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"

/* The original opens all its ports again. */
#define TIMEOUT_S 60

static int connect_as(int type, const struct sockaddr_un *sa)
{
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_sec = TIMEOUT_S };

	if (fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return TAKE_FD(fd);
}

/* By its descriptor: the path, 64 digits at its end, may be too long for an address. */
static int open_path(const char *path)
{
	_cleanup_close_ int file = open(path, O_PATH | O_CLOEXEC);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int r;

	if (file < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
	r = connect_as(SOCK_SEQPACKET, &sa);
	/* of a podman that is older */
	return r == -EPROTOTYPE ? connect_as(SOCK_STREAM, &sa) : r;
}

static int ask(int fd, const char *child_ip, char *reply, size_t size)
{
	struct json *json = json_new_string(child_ip);
	_cleanup_free_ char *text = json_text(json);
	size_t len = text ? strlen(text) : 0;
	ssize_t n;

	json_free(json);
	if (!text)
		return -ENOMEM;
	/* in the place of the NUL: Go's decoder sees a string's end only at what follows it */
	text[len] = '\n';
	if (send(fd, text, len + 1, MSG_NOSIGNAL) < 0)
		return -errno;
	len = 0;
	/* what it says does not end with the first message of a stream */
	do {
		n = recv(fd, reply + len, size - 1 - len, 0);
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len < size - 1);
	reply[len] = '\0';
	return 0;
}

int podman_reload(const char *path, const char *child_ip, struct error *err)
{
	char reply[ERROR_TEXT_MAX] = "";
	_cleanup_close_ int fd = open_path(path);
	int r;

	if (fd < 0)
		return error_errno(err, fd, "could not reload rootless port mappings, port "
				   "forwarding may no longer work correctly: %s", path);
	r = ask(fd, child_ip, reply, sizeof(reply));
	if (r < 0)
		return error_errno(err, r, "port reloading failed");
	if (strcmp(reply, "OK") != 0)
		return error_set(err, -EREMOTEIO, "port reloading failed: %s",
				 *reply ? reply : "no reply");
	return 0;
}
