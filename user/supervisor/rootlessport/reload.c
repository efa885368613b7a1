/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rootlessport/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/timer.h"
#include "control/peer.h"

/* How often silent clients are looked for, and a full table tried again. */
#define TICK_MS 1000

struct reload_client {
	TAILQ_ENTRY(reload_client) entry;
	struct loop_source source;
	struct reload_server *server;
	uint64_t deadline;
};

void reload_init(struct reload_server *s)
{
	*s = (struct reload_server){
		.source.fd = -1,
		.timer.fd = -1,
		.dir_fd = -1,
	};
	TAILQ_INIT(&s->clients);
}

static void client_free(struct reload_client *c)
{
	loop_del(&c->source);
	fd_close(c->source.fd);
	TAILQ_REMOVE(&c->server->clients, c, entry);
	c->server->n_clients--;
	free(c);
}

int reload_parse(const char *text, size_t len, struct json **ret_json, const char **ret_ip,
		 struct error *err)
{
	const char *kind;
	int r;

	*ret_json = NULL;
	if (!len)
		return error_set(err, -EINVAL, "EOF");
	r = json_parse(text, len, ret_json, err);
	if (r < 0)
		return r;
	kind = json_go_kind(*ret_json);
	*ret_ip = strcmp(kind, "null") == 0 ? "" : json_string(*ret_json);
	if (!*ret_ip)
		return error_set(err, -EINVAL, "json: cannot unmarshal %s into Go value of type "
				 "string", kind);
	return 0;
}

static void serve(struct reload_client *c, const char *text, size_t len)
{
	struct reload_server *s = c->server;
	struct error err = { "OK" };
	struct json *json = NULL;
	const char *ip;
	int r = reload_parse(text, len, &json, &ip, &err);

	if (r < 0)
		error_wrap(&err, r, "rootless port failed to decode ports");
	else if (s->fn(s->context, ip, &err) < 0)
		error_wrap(&err, r, "rootless port failed to add port");
	json_free(json);
	/* it fits into any socket buffer; who does not want it shall be left */
	send(c->source.fd, err.text, strlen(err.text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_client(struct loop_source *source, uint32_t events)
{
	struct reload_client *c =
		(void *)((char *)source - offsetof(struct reload_client, source));
	char text[RELOAD_REQUEST_MAX];
	size_t unused;
	ssize_t len = fd_recv(source->fd, text, sizeof(text), NULL, 0, &unused);

	if (len == -EAGAIN)
		return;
	if (len >= 0)
		serve(c, text, (size_t)len);
	client_free(c);
}

static void add_client(struct reload_server *s, int fd)
{
	struct reload_client *c = malloc(sizeof(*c));

	if (!c) {
		fd_close(fd);
		return;
	}
	*c = (struct reload_client){ .server = s, .deadline = timer_now() + RELOAD_TIMEOUT_MS };
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->n_clients++;
	c->source.fd = fd;
	if (loop_add(s->source.loop, &c->source, fd, EPOLLIN, on_client) < 0)
		client_free(c);
}

/* Before others have to make room for it. */
static bool is_allowed(int fd)
{
	struct error err = { "" };
	struct ucred peer;
	char unused;

	if (control_peer_is_trusted(fd, &peer))
		return true;
	error_set(&err, -EPERM, "access denied: user id %u is neither root nor the user of this "
		  "rootlessport", peer.uid);
	send(fd, err.text, strlen(err.text), MSG_NOSIGNAL | MSG_DONTWAIT);
	/* with a request left unread it would find ECONNRESET before the reply; no more can come */
	shutdown(fd, SHUT_RD);
	while (recv(fd, &unused, sizeof(unused), MSG_DONTWAIT) > 0)
		;
	return false;
}

static void on_connection(struct loop_source *source, uint32_t events)
{
	struct reload_server *s =
		(void *)((char *)source - offsetof(struct reload_server, source));
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && !is_allowed(fd)) {
		fd_close(fd);
	} else if (fd >= 0) {
		if (s->n_clients == RELOAD_CLIENTS_MAX)
			client_free(TAILQ_FIRST(&s->clients));
		add_client(s, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* it would be reported again at once, and without end */
		loop_mod(source, 0);
	}
	timer_set(&s->timer, TICK_MS);
}

static void on_tick(struct loop_source *source, uint32_t events)
{
	struct reload_server *s =
		(void *)((char *)source - offsetof(struct reload_server, timer));
	struct reload_client *c;

	if (!timer_expired(source))
		return;
	while ((c = TAILQ_FIRST(&s->clients)) && c->deadline <= timer_now())
		client_free(c);
	loop_mod(&s->source, EPOLLIN);
	if (s->n_clients)
		timer_set(&s->timer, TICK_MS);
}

/* Through the directory's descriptor: a path of 108 bytes would be too long (unix(7)). */
static int make_socket(struct reload_server *s)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int n;

	if (fd < 0)
		return -errno;
	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", s->dir_fd, s->name);
	if (n >= (int)sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	/* of the file that bind(2) makes: its owner's alone */
	fchmod(fd, 0600);
	unlinkat(s->dir_fd, s->name, 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	s->ino = st.st_ino;
	return TAKE_FD(fd);
}

int reload_open(struct reload_server *s, const char *dir, const char *name,
		struct loop *loop, reload_fn *fn, void *context, struct error *err)
{
	int r;

	s->fn = fn;
	s->context = context;
	s->name = name;
	s->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = s->dir_fd < 0 ? -errno : make_socket(s);
	if (r >= 0) {
		s->source.fd = r;
		r = loop_add(loop, &s->source, r, EPOLLIN, on_connection);
	}
	if (r >= 0)
		r = timer_add(loop, &s->timer, on_tick);
	return r < 0 ? error_errno(err, r, "listen unixpacket %s/%s", dir, name) : 0;
}

void reload_done(struct reload_server *s)
{
	struct stat st;

	while (!TAILQ_EMPTY(&s->clients))
		client_free(TAILQ_FIRST(&s->clients));
	if (s->ino && fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == s->ino)
		unlinkat(s->dir_fd, s->name, 0);
	loop_del(&s->source);
	s->source.fd = fd_close(s->source.fd);
	timer_done(&s->timer);
	s->dir_fd = fd_close(s->dir_fd);
}
