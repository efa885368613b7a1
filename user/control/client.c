/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "control/request.h"
#include "control/socket.h"

/* It may have 65535 ports to open, and may have to wait for its forwarder. */
#define TIMEOUT_S 60

/* Some 100 000 rules, or as many connections as may be asked for. */
#define REPLY_MAX (64u << 20)

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_request(int fd, const struct json *request, struct error *err)
{
	_cleanup_free_ char *text = json_text(request);
	size_t len = text ? strlen(text) : 0;
	int r;

	if (!text)
		return error_errno(err, -ENOMEM, "cannot ask");
	if (len > CONTROL_REQUEST_MAX)
		return error_set(err, -E2BIG, "a request of %zu bytes: at most %d are read", len,
				 CONTROL_REQUEST_MAX);
	text[len] = '\n'; /* in the place of the NUL */
	r = send_all(fd, text, len + 1);
	return r < 0 ? error_errno(err, r, "cannot write to the control socket") : 0;
}

/* Of a descriptor that comes, the first is kept; *passed is -1 before that. */
static ssize_t recv_some(int fd, char *to, size_t len, int *passed)
{
	size_t unused;

	return fd_recv(fd, to, len, passed, *passed < 0, &unused);
}

/* Returns the length without the line's end, or -errno. */
static ssize_t recv_line(int fd, char **ret, int *passed)
{
	_cleanup_free_ char *line = NULL;
	size_t len = 0, room = 0;

	for (;;) {
		char *end, *larger;
		ssize_t n;

		if (len + 1 >= room) {
			room = room ? 2 * room : 16384;
			larger = room <= REPLY_MAX ? realloc(line, room) : NULL;
			if (!larger)
				return room <= REPLY_MAX ? -ENOMEM : -EMSGSIZE;
			line = larger;
		}
		n = recv_some(fd, line + len, room - len - 1, passed);
		if (n <= 0)
			return n < 0 ? n : -ECONNRESET;
		end = memchr(line + len, '\n', (size_t)n);
		len = end ? (size_t)(end - line) : len + (size_t)n;
		if (!end)
			continue;
		line[len] = '\0';
		*ret = TAKE_PTR(line);
		return (ssize_t)len;
	}
}

int control_read_reply(const char *text, size_t len, struct json **ret_json,
		       const struct json **ret, struct error *err)
{
	struct error why = { "" };
	const char *desc;
	int r = json_parse(text, len, ret_json, &why);

	if (r < 0)
		return error_set(err, r, "the control socket's reply is no JSON: %s", why.text);
	desc = json_string(json_get(json_get(*ret_json, "error"), "desc"));
	if (desc)
		return error_set(err, -EREMOTEIO, "%s", desc);
	if (!json_has(*ret_json, "return"))
		return error_set(err, -EPROTO, "the control socket's reply says nothing");
	*ret = json_get(*ret_json, "return");
	return 0;
}

static int ask(const char *path, const struct json *request, int seconds, int *passed,
	       char **ret_text, struct json **ret_json, const struct json **ret,
	       struct error *err)
{
	_cleanup_close_ int fd = control_socket_connect(path, err);
	struct timeval limit = { .tv_sec = seconds };
	ssize_t len;
	int r;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	r = send_request(fd, request, err);
	if (r < 0 && r != -EPIPE)
		return r;
	/* who was refused finds that there */
	len = recv_line(fd, ret_text, passed);
	if (len == -EAGAIN)
		return error_set(err, -ETIMEDOUT, "no reply from control socket %s within %d s",
				 path, seconds);
	if (len < 0)
		return error_errno(err, (int)len, "no reply from control socket %s", path);
	return control_read_reply(*ret_text, (size_t)len, ret_json, ret, err);
}

int control_ask(const char *path, const struct json *request, char **ret_text,
		struct json **ret_json, const struct json **ret, struct error *err)
{
	_cleanup_close_ int passed = -1;

	return ask(path, request, TIMEOUT_S, &passed, ret_text, ret_json, ret, err);
}

int control_ask_fd(const char *path, const struct json *request, int seconds, int *ret_fd,
		   struct json **ret_json, const struct json **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	*ret_fd = -1;
	return ask(path, request, seconds, ret_fd, &text, ret_json, ret, err);
}
