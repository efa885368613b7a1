/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/slirp4netns/api.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "control/wait.h"
#include "supervisor/slirp4netns/api_reply.h"
#include "supervisor/slirp4netns/reap.h"

#define SOCKET_TIMEOUT_MS 60000
#define SOCKET_POLL_MS 10
/* Its main loop may be busy with packets, but not for so long. */
#define REPLY_TIMEOUT_S 10
/* 65535 ports of two protocols, each told in about 120 bytes. */
#define REPLY_MAX (32u << 20)

static int open_socket_file(struct slirp4netns *s)
{
	_cleanup_close_ int fd = open(s->api_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	s->api_fd = TAKE_FD(fd);
	unlink(s->api_path);
	return 0;
}

/* Why waiting came to nothing, in podman's words. */
static int died(struct slirp4netns *s, struct error *why)
{
	struct reaped end;
	int r = reap(s->pid, s->pidfd, &end);

	s->pid = 0;
	if (r < 0)
		return error_errno(why, r, "failed to read %s process status",
				   s->path);
	if (end.is_signal)
		return error_set(why, -ESRCH, "slirp4netns killed by signal %d",
				 end.status);
	return error_set(why, -ESRCH, "slirp4netns exited with status %d",
			 end.status);
}

int slirp4netns_api_open(struct slirp4netns *s, struct error *err)
{
	struct deadline end = deadline_in(SOCKET_TIMEOUT_MS);
	bool is_dead = false;
	int r;

	if (s->api_fd >= 0)
		return 0;
	if (!s->api_path[0] || !s->pid)
		return error_set(err, -EINVAL, "slirp4netns has no API socket");
	do {
		r = open_socket_file(s);
		if (r != -ENOENT)
			break;
		is_dead = reap_wait(s->pidfd, SOCKET_POLL_MS);
	} while (!is_dead && deadline_left(&end));
	if (r == 0)
		return 0;

	r = is_dead ? died(s, err) :
	    r == -ENOENT ?
		      error_set(err, -ETIMEDOUT, "timed out waiting for the file") :
		      error_set(err, r, "%s", errno_text(r));
	return error_wrap(err, r,
			  "waiting for slirp4nets to create the api socket file %s",
			  s->api_path);
}

/* A connection to the socket behind api_fd, which has no name any more. */
static int api_connect(struct slirp4netns *s, const struct control_wait *wait, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int r;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", s->api_fd);
	r = fd < 0 ? -errno : control_wait_connect(wait, fd, &sa);
	if (r < 0)
		return error_errno(err, r, "cannot open connection to %s", s->api_path);
	return TAKE_FD(fd);
}

static int api_send(struct slirp4netns *s, int fd, const char *text,
		    const struct control_wait *wait, struct error *err)
{
	int r = control_wait_send(wait, fd, text, strlen(text));

	if (r < 0)
		return error_errno(err, r, "cannot write to control socket %s", s->api_path);
	if (shutdown(fd, SHUT_WR) < 0)
		return error_errno(err, -errno, "cannot shutdown the socket %s",
				   s->api_path);
	return 0;
}

/* All that comes until the end; *ret is the caller's to free. */
static int api_recv(struct slirp4netns *s, int fd, char **ret, size_t *ret_len,
		    const struct control_wait *wait, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, size = 0;
	ssize_t n;

	do {
		if (len == size) {
			char *more = size < REPLY_MAX ?
					     realloc(text, size * 2 + 4096) :
					     NULL;

			if (!more)
				return error_errno(err, -ENOMEM,
						   "reply from control socket %s",
						   s->api_path);
			text = more;
			size = size * 2 + 4096;
		}
		n = control_wait_recv(wait, fd, text + len, size - len);
		if (n < 0)
			return error_errno(err, (int)n, "cannot read from control socket %s",
					   s->api_path);
		len += (size_t)n;
	} while (n > 0);
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* The reply, as api_reply_parse() makes it; the caller frees it. */
static int request(struct slirp4netns *s, const char *text, struct json **ret,
		   struct error *err)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *reply = NULL;
	struct control_wait wait;
	size_t len = 0;
	int r;

	control_wait_start(&wait, REPLY_TIMEOUT_S);
	fd = api_connect(s, &wait, err);
	if (fd < 0)
		return fd;
	r = api_send(s, fd, text, &wait, err);
	if (r >= 0)
		r = api_recv(s, fd, &reply, &len, &wait, err);
	return r < 0 ? r : api_reply_parse(reply, len, ret, err);
}

int slirp4netns_add_hostfwd(struct slirp4netns *s,
			    struct slirp4netns_hostfwd *fwd, struct error *err)
{
	char host[ADDR_TEXT_MAX], guest[ADDR_TEXT_MAX], text[512];
	struct json *reply = NULL;
	int r;

	/* nothing here needs escaping: digits, dots and colons */
	snprintf(text, sizeof(text),
		 "{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"%s\","
		 "\"host_addr\":\"%s\",\"host_port\":%u,\"guest_addr\":\"%s\","
		 "\"guest_port\":%u}}\n",
		 fwd->is_udp ? "udp" : "tcp", addr_format(&fwd->host, host),
		 fwd->host_port,
		 fwd->guest.family ? addr_format(&fwd->guest, guest) : "",
		 fwd->guest_port);
	r = request(s, text, &reply, err);
	if (r < 0)
		return r;
	fwd->id = api_reply_id(reply);
	json_free(reply);
	return 0;
}

int slirp4netns_remove_hostfwd(struct slirp4netns *s, int64_t id,
			       struct error *err)
{
	char text[128];
	struct json *reply = NULL;
	int r;

	snprintf(text, sizeof(text),
		 "{\"execute\":\"remove_hostfwd\",\"arguments\":{\"id\":%" PRId64
		 "}}\n",
		 id);
	r = request(s, text, &reply, err);
	if (r == 0)
		json_free(reply);
	return r;
}

int slirp4netns_list_hostfwd(struct slirp4netns *s,
			     struct slirp4netns_hostfwd **ret, size_t *ret_n,
			     struct error *err)
{
	struct json *reply = NULL;
	int r = request(s, "{\"execute\":\"list_hostfwd\"}\n", &reply, err);

	if (r < 0)
		return r;
	r = api_reply_hostfwds(reply, ret, ret_n, err);
	json_free(reply);
	return r;
}
