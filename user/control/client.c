/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "control/request.h"
#include "control/socket.h"

/* It may have 65535 ports to open, and may have to wait for its forwarder. */
#define TIMEOUT_S 60

/* Some 100 000 rules, or as many connections as may be asked for. */
#define REPLY_MAX (64u << 20)

static int send_request(int fd, const struct json *request, const struct control_wait *wait,
			struct error *err)
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
	r = control_wait_send(wait, fd, text, len + 1);
	return r < 0 ? error_errno(err, r, "cannot write to the control socket") : 0;
}

/* Of a descriptor that comes, the first is kept; *passed is -1 before that. */
static ssize_t recv_some(int fd, char *to, size_t len, int *passed)
{
	size_t unused;

	return fd_recv_some(fd, to, len, passed, *passed < 0, &unused);
}

/* Returns the length without the line's end, or -errno. */
static ssize_t recv_line(int fd, char **ret, int *passed, const struct control_wait *wait)
{
	_cleanup_free_ char *line = NULL;
	size_t len = 0, room = 0;
	int r;

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
		r = control_wait(wait, fd, POLLIN);
		n = r < 0 ? r : recv_some(fd, line + len, room - len - 1, passed);
		if (n == -EAGAIN)
			continue;
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

static int ask(const char *path, const struct json *request, const struct control_wait *wait,
	       int *passed, char **ret_text, struct json **ret_json, const struct json **ret,
	       struct error *err)
{
	_cleanup_close_ int fd = control_socket_connect(path, wait, err);
	ssize_t len;
	int r;

	if (fd < 0)
		return fd;
	r = send_request(fd, request, wait, err);
	if (r < 0 && r != -EPIPE && r != -ETIMEDOUT)
		return r;
	/* who was refused finds that there */
	len = recv_line(fd, ret_text, passed, wait);
	if (len == -ETIMEDOUT)
		return error_set(err, -ETIMEDOUT, "control socket %s: no whole reply within %u s: "
				 "its portshunt is stopped or does not work", path,
				 wait->seconds);
	if (len < 0)
		return error_errno(err, (int)len, "no reply from control socket %s", path);
	return control_read_reply(*ret_text, (size_t)len, ret_json, ret, err);
}

int control_ask(const char *path, const struct json *request, char **ret_text,
		struct json **ret_json, const struct json **ret, struct error *err)
{
	_cleanup_close_ int passed = -1;
	struct control_wait wait;

	control_wait_start(&wait, TIMEOUT_S);
	return ask(path, request, &wait, &passed, ret_text, ret_json, ret, err);
}

int control_ask_fd(const char *path, const struct json *request,
		   const struct control_wait *wait, int *ret_fd, struct json **ret_json,
		   const struct json **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;

	*ret_fd = -1;
	return ask(path, request, wait, ret_fd, &text, ret_json, ret, err);
}
