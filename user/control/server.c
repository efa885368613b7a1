/* SPDX-License-Identifier: Apache-2.0 */
#include "control/server.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/timer.h"
#include "control/peer.h"
#include "control/reply.h"

/* How often the deadlines are looked at while there are any. */
#define TICK_MS 500

struct control_client {
	struct loop_source source;
	TAILQ_ENTRY(control_client) entry;
	struct control_server *server;
	uint64_t deadline; /* of the request or its reply, see timer_now(); 0: idle */
	bool is_last;	   /* it ends when the reply is read */
	char *reply;	   /* that is not yet sent whole; heap */
	size_t reply_len, sent;
	int reply_fd; /* goes with its first byte; -1: none */
	size_t len;		      /* of what was read */
	char in[CONTROL_REQUEST_MAX + 1]; /* a line with its end */
};

static void resume_accepting(struct control_server *s)
{
	if (s->is_paused && loop_mod(&s->source, EPOLLIN) == 0)
		s->is_paused = false;
}

static void client_free(struct control_client *c)
{
	struct control_server *s = c->server;

	TAILQ_REMOVE(&s->clients, c, entry);
	s->n_clients--;
	loop_del(&c->source);
	fd_close(c->source.fd);
	fd_close(c->reply_fd);
	free(c->reply);
	free(c);
	resume_accepting(s);
}

static void start_timer(struct control_server *s)
{
	timer_set(&s->timer, TICK_MS);
}

static void set_deadline(struct control_client *c)
{
	if (c->deadline)
		return;
	c->deadline = timer_now() + CONTROL_TIMEOUT_MS;
	start_timer(c->server);
}

static void become_idle(struct control_client *c)
{
	c->deadline = 0;
	TAILQ_REMOVE(&c->server->clients, c, entry);
	TAILQ_INSERT_TAIL(&c->server->clients, c, entry);
	/* the next request has begun already */
	if (c->len)
		set_deadline(c);
}

/* Returns false when the client is gone. */
static bool send_reply(struct control_client *c)
{
	ssize_t n = fd_send_some(c->source.fd, c->reply + c->sent, c->reply_len - c->sent,
				 &c->reply_fd, c->reply_fd >= 0);

	if (n < 0 && n != -EAGAIN) {
		client_free(c);
		return false;
	}
	if (n > 0)
		c->reply_fd = fd_close(c->reply_fd);
	c->sent += n < 0 ? 0 : (size_t)n;
	if (c->sent < c->reply_len) {
		set_deadline(c);
		/* what it says meanwhile is left in the kernel */
		loop_mod(&c->source, EPOLLOUT);
		return true;
	}
	free(c->reply);
	c->reply = NULL;
	if (c->is_last) {
		client_free(c);
		return false;
	}
	become_idle(c);
	loop_mod(&c->source, EPOLLIN);
	loop_ready(&c->source);
	return true;
}

/* Takes over @text, which may be NULL: memory was short. */
static bool answer(struct control_client *c, char *text)
{
	c->reply = text;
	c->reply_len = text ? strlen(text) : 0;
	c->sent = 0;
	if (text)
		return send_reply(c);
	client_free(c);
	return false;
}

static char *execute(struct control_client *c, const char *line, size_t len)
{
	struct control_server *s = c->server;
	struct control_request request;
	struct json *value = NULL;
	struct error err = { "" };
	int r = control_request_parse(line, len, &request, &err);

	if (r < 0)
		return reply_error(err.text);
	r = s->fn(s->context, &request, &value, &c->reply_fd, &err);
	control_request_done(&request);
	return r < 0 ? reply_error(err.text) : reply_return(value);
}

static bool is_blank(const char *text, size_t len)
{
	while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	return len == 0;
}

/* The first @len bytes are a request; @end is where the next one begins. */
static bool take_request(struct control_client *c, size_t len, size_t end)
{
	char *text = NULL;
	bool blank = is_blank(c->in, len);

	if (!blank)
		text = execute(c, c->in, len);
	c->len -= end;
	memmove(c->in, c->in + end, c->len);
	if (!blank)
		return answer(c, text);
	if (c->is_last) {
		client_free(c);
		return false;
	}
	become_idle(c);
	loop_ready(&c->source);
	return true;
}

static bool refuse(struct control_client *c, const char *why)
{
	c->is_last = true;
	return answer(c, reply_error(why));
}

static void on_client(struct loop_source *source, uint32_t events)
{
	struct control_client *c = (struct control_client *)source;
	char *end;
	ssize_t n;

	if (c->reply) {
		send_reply(c);
		return;
	}
	end = memchr(c->in, '\n', c->len);
	if (!end && c->len < sizeof(c->in)) {
		n = recv(source->fd, c->in + c->len, sizeof(c->in) - c->len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			/* slirp4netns' clients end a request by shutdown(2) */
			c->is_last = true;
			take_request(c, n < 0 ? 0 : c->len, c->len);
			return;
		}
		set_deadline(c);
		end = memchr(c->in + c->len, '\n', (size_t)n);
		c->len += (size_t)n;
	}
	if (end)
		take_request(c, (size_t)(end - c->in), (size_t)(end - c->in) + 1);
	else if (c->len == sizeof(c->in))
		refuse(c, "bad request: it is longer than 65535 bytes");
}

/* Those that have nothing to do make room. */
static bool drop_idle(struct control_server *s)
{
	struct control_client *c;

	TAILQ_FOREACH(c, &s->clients, entry) {
		if (!c->deadline) {
			client_free(c);
			return true;
		}
	}
	return false;
}

static void pause_accepting(struct control_server *s)
{
	if (loop_mod(&s->source, 0) < 0)
		return;
	s->is_paused = true;
	start_timer(s);
}

/*
 * The socket that accept(2) returns is of the network namespace of the one that was connected
 * (unix_stream_connect() of net/unix/af_unix.c; tests/kernel/unix_accept_netns.c). A client gets
 * into this one by setns(2) alone, for which the root of a user namespace below it has no
 * privilege. Unlike the client's process id, this cannot become another's.
 */
static bool is_of_our_network(const struct control_server *s, int fd)
{
	uint64_t theirs, ours;

	return fd_netns_cookie(fd, &theirs) == 0 && fd_netns_cookie(s->socket.fd, &ours) == 0 &&
	       theirs == ours;
}

static bool is_allowed(struct control_server *s, int fd)
{
	const char *denied = REPLY_DENIED;
	struct ucred peer;

	if (control_peer_is_trusted(fd, &peer)) {
		if (!s->own_network_only || is_of_our_network(s, fd))
			return true;
		denied = REPLY_DENIED_NETWORK;
	}
	send(fd, denied, strlen(denied), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (log_allowed(&s->refused_limit))
		log_warn("control socket: process %d of user id %u was refused", peer.pid,
			 peer.uid);
	return false;
}

static int client_new(struct control_server *s, int fd)
{
	struct control_client *c = malloc(sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	/* not `in`: memory that nobody uses is none */
	memset(c, 0, offsetof(struct control_client, in));
	c->server = s;
	c->reply_fd = -1;
	r = loop_add(s->loop, &c->source, fd, EPOLLIN, on_client);
	if (r < 0) {
		free(c);
		return r;
	}
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->n_clients++;
	/* one that has not asked yet has not got its turn */
	set_deadline(c);
	return 0;
}

static void on_connection(struct loop_source *source, uint32_t events)
{
	struct control_server *s =
		(void *)((char *)source - offsetof(struct control_server, source));
	int fd;

	if (s->n_clients == CONTROL_CLIENTS_MAX && !drop_idle(s)) {
		pause_accepting(s);
		return;
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* out of descriptors, perhaps: later */
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR &&
		    !drop_idle(s))
			pause_accepting(s);
		return;
	}
	if (!is_allowed(s, fd) || client_new(s, fd) < 0)
		fd_close(fd);
}

static void on_timer(struct loop_source *source, uint32_t events)
{
	struct control_server *s =
		(void *)((char *)source - offsetof(struct control_server, timer));
	struct control_client *c, *next;
	uint64_t now = timer_now();
	bool again;

	if (!timer_expired(source))
		return;
	again = s->is_paused;
	resume_accepting(s);
	for (c = TAILQ_FIRST(&s->clients); c; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->deadline)
			continue;
		if (c->deadline > now)
			again = true;
		else if (c->reply)
			client_free(c);
		else
			refuse(c, "bad request: it was not complete within 10 s");
	}
	if (again)
		start_timer(s);
}

void control_server_init(struct control_server *s)
{
	*s = (struct control_server){ .socket = { .fd = -1 } };
	TAILQ_INIT(&s->clients);
}

int control_server_open(struct control_server *s, const char *path, struct error *err)
{
	return control_socket_open(&s->socket, path, err);
}

int control_server_open_beside(struct control_server *s, const char *path, struct error *err)
{
	return control_socket_open_beside(&s->socket, path, err);
}

int control_server_start(struct control_server *s, struct loop *loop, control_fn *fn,
			 void *context)
{
	int r;

	s->loop = loop;
	s->fn = fn;
	s->context = context;
	r = timer_add(loop, &s->timer, on_timer);
	return r < 0 ? r : loop_add(loop, &s->source, s->socket.fd, EPOLLIN, on_connection);
}

void control_server_done(struct control_server *s)
{
	struct control_client *c;

	loop_del(&s->source);
	s->is_paused = false;
	while ((c = TAILQ_FIRST(&s->clients)))
		client_free(c);
	timer_done(&s->timer);
	control_socket_close(&s->socket);
}
