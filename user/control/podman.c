/* SPDX-License-Identifier: Apache-2.0 */
#include "control/podman.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "control/peer.h"

static int connect_as(int type, const struct sockaddr_un *sa, const struct control_wait *wait)
{
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -errno : control_wait_connect(wait, fd, sa);

	return r < 0 ? r : TAKE_FD(fd);
}

/* By its descriptor: the path, 64 digits at its end, may be too long for an address. */
static int open_path(const char *path, const struct control_wait *wait)
{
	_cleanup_close_ int file = open(path, O_PATH | O_CLOEXEC);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int r;

	if (file < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
	r = connect_as(SOCK_SEQPACKET, &sa, wait);
	/* of a podman that is older */
	return r == -EPROTOTYPE ? connect_as(SOCK_STREAM, &sa, wait) : r;
}

/* To its end: what it says does not end with the first message of a stream. Cut to @size. */
static int receive(int fd, char *reply, size_t size, const struct control_wait *wait)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = control_wait_recv(wait, fd, reply + len, size - 1 - len);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
	} while (n != 0 && len < size - 1);
	reply[len] = '\0';
	return 0;
}

static int ask(int fd, const char *child_ip, char *reply, size_t size,
	       const struct control_wait *wait)
{
	struct json *json = json_new_string(child_ip);
	_cleanup_free_ char *text = json_text(json);
	size_t len = text ? strlen(text) : 0;
	int r;

	json_free(json);
	if (!text)
		return -ENOMEM;
	/* in the place of the NUL: Go's decoder sees a string's end only at what follows it */
	text[len] = '\n';
	r = control_wait_send(wait, fd, text, len + 1);
	/* who was refused finds that there */
	return r < 0 && r != -EPIPE ? r : receive(fd, reply, size, wait);
}

int podman_reload(const char *path, const char *child_ip, const struct control_wait *wait,
		  struct error *err)
{
	char reply[ERROR_TEXT_MAX] = "";
	_cleanup_close_ int fd = open_path(path, wait);
	int r;

	if (fd < 0)
		return error_errno(err, fd, "could not reload rootless port mappings, port "
				   "forwarding may no longer work correctly: %s", path);
	r = control_peer_check(fd, "could not reload rootless port mappings:", path,
			       "container is meant", err);
	if (r < 0)
		return r;
	r = ask(fd, child_ip, reply, sizeof(reply), wait);
	if (r == -ETIMEDOUT)
		return error_set(err, r, "port reloading failed: no whole reply within %u s: the "
				 "rootlessport at %s is stopped or does not work", wait->seconds,
				 path);
	if (r < 0)
		return error_errno(err, r, "port reloading failed");
	if (strcmp(reply, "OK") != 0)
		return error_set(err, -EREMOTEIO, "port reloading failed: %s",
				 *reply ? reply : "no reply");
	return 0;
}
