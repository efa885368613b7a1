/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rootlesskit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "control/wait.h"

#define TIMEOUT_S 10
#define REPLY_MAX 16384 /* it is about 400 bytes */

/* HTTP/1.0, so that the server closes the connection and does not cut the body into chunks. */
static const char request[] = "GET /v1/info HTTP/1.0\r\nHost: rootlesskit\r\n\r\n";

/* A path may be longer than a socket's address. Returns a descriptor or -errno. */
static int connect_to(const char *path, const struct control_wait *wait)
{
	_cleanup_close_ int file = open(path, O_PATH | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int r;

	if (file < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : control_wait_connect(wait, fd, &sa);
	return r < 0 ? r : TAKE_FD(fd);
}

static int ask(const char *path, char *reply, size_t size)
{
	_cleanup_close_ int fd = -1;
	struct control_wait wait;
	size_t len = 0;
	ssize_t n;

	control_wait_start(&wait, TIMEOUT_S);
	fd = connect_to(path, &wait);
	if (fd < 0)
		return fd;
	n = control_wait_send(&wait, fd, request, sizeof(request) - 1);
	while (n >= 0 && len < size - 1) {
		n = control_wait_recv(&wait, fd, reply + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	reply[len] = '\0';
	return n < 0 ? (int)n : 0;
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
