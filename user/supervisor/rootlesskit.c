/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rootlesskit.h"

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

#define TIMEOUT_S 10
#define REPLY_MAX 16384 /* it is about 400 bytes */

/* HTTP/1.0, so that the server closes the connection and does not cut the body into chunks. */
static const char request[] = "GET /v1/info HTTP/1.0\r\nHost: rootlesskit\r\n\r\n";

/* A path may be longer than a socket's address. Returns a descriptor or -errno. */
static int connect_to(const char *path)
{
	_cleanup_close_ int file = open(path, O_PATH | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = TIMEOUT_S };

	if (file < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int ask(const char *path, char *reply, size_t size)
{
	_cleanup_close_ int fd = connect_to(path);
	ssize_t n;

	if (fd < 0)
		return fd;
	/* whoever dies meanwhile must not kill this process by SIGPIPE */
	do {
		n = send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	n = fd_read_all(fd, reply, size - 1);
	if (n < 0)
		return n == -EAGAIN ? -ETIMEDOUT : (int)n;
	reply[n] = '\0';
	return 0;
}

int rootlesskit_wants_request(const char *state_dir, bool *ret, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	char reply[REPLY_MAX];
	const char *body, *driver;
	struct json *info;
	int r;

	if (asprintf(&path, "%s/api.sock", state_dir) < 0) {
		path = NULL;
		return error_errno(err, -ENOMEM, "the RootlessKit API");
	}
	r = ask(path, reply, sizeof(reply));
	if (r < 0)
		return error_errno(err, r, "the RootlessKit API at %s", path);
	body = strstr(reply, "\r\n\r\n");
	if (strncmp(reply, "HTTP/1.", 7) != 0 || strncmp(reply + 8, " 200 ", 5) != 0 || !body)
		return error_set(err, -EPROTO, "the RootlessKit API at %s: \"%.80s\"", path, reply);
	body += 4;
	r = json_parse(body, strlen(body), &info, err);
	if (r < 0)
		return error_wrap(err, r, "the RootlessKit API at %s", path);
	driver = json_string(json_get(json_get(info, "portDriver"), "driver"));
	*ret = driver && strcmp(driver, "none") != 0 && strcmp(driver, "implicit") != 0;
	json_free(info);
	return 0;
}
