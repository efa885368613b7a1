/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/clients.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

void client_init(struct client *c)
{
	*c = (struct client){ .fd = -1 };
	process_init(&c->process);
}

void client_done(struct client *c, int grace_ms)
{
	c->fd = fd_close(c->fd);
	process_end(&c->process, grace_ms);
}

int client_spawn(struct client *c, const char *command, int peer_fd,
		 struct process_spec *spec, struct error *err)
{
	_cleanup_close_ int theirs = -1;
	int fds[2], passed[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, -errno, "cannot make a socket pair");
	theirs = fds[1];
	c->fd = fds[0];
	passed[0] = theirs;
	passed[1] = peer_fd;
	spec->command = command;
	spec->fds = passed;
	spec->n_fds = 2;
	r = process_spawn(&c->process, spec, err);
	if (r < 0)
		c->fd = fd_close(c->fd);
	return r;
}

/* The other end closed its socket: what became of the process says why. */
static int gone(struct client *c, const char *name, struct error *err)
{
	char text[64];
	int status;

	if (c->is_running)
		return error_set(err, -ECHILD, "the %s is gone", name);
	if (process_wait(&c->process, 1000, &status) < 0)
		return error_set(err, -ECHILD, "the %s does not answer", name);
	return error_set(err, -ECHILD, "the %s %s", name,
			 process_status_text(status, text, sizeof(text)));
}

void client_running(struct client *c)
{
	struct timeval limit = { .tv_sec = CLIENT_TIMEOUT_S };

	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	c->is_running = true;
}

static void close_all(int *fds, size_t *n)
{
	while (fds && *n)
		fd_close(fds[--*n]);
}

/* Replies to requests that were given up come first. */
static ssize_t forwarder_recv(struct client *c, struct forwarder_reply *reply, int *fds,
			      size_t max, size_t *ret_n)
{
	ssize_t len;

	for (;;) {
		len = fd_recv(c->fd, reply, sizeof(*reply), fds, max, ret_n);
		if (len != sizeof(*reply) || reply->serial == c->serial)
			return len;
		close_all(fds, ret_n);
	}
}

/* What is sent, and has descriptors, and what comes back. */
struct call {
	struct forwarder_request *requests;
	size_t n_requests;
	const int *fds;
	size_t n_fds;
	struct forwarder_reply *reply;
	int *ret_fds;
	size_t max_fds, n_ret_fds;
};

static int call(struct client *c, struct call *call, struct error *err)
{
	struct forwarder_reply *reply = call->reply;
	ssize_t len;

	c->serial++;
	for (size_t i = 0; i < call->n_requests; i++)
		call->requests[i].serial = c->serial;
	len = fd_send(c->fd, call->requests, call->n_requests * sizeof(*call->requests),
		      call->fds, call->n_fds);
	if (len >= 0)
		len = forwarder_recv(c, reply, call->ret_fds, call->max_fds, &call->n_ret_fds);
	if (len == sizeof(*reply) && reply->error >= 0)
		return 0;
	close_all(call->ret_fds, &call->n_ret_fds);
	if (len == -EAGAIN)
		return error_set(err, -ETIMEDOUT, "the forwarder has not answered within %d s",
				 CLIENT_TIMEOUT_S);
	if (len != sizeof(*reply))
		return gone(c, "forwarder", err);
	if (*reply->text)
		return error_set(err, reply->error, "%.*s", (int)sizeof(reply->text) - 1,
				 reply->text);
	return error_errno(err, reply->error, "the forwarder refused a request");
}

int forwarder_call(struct client *c, struct forwarder_request *request,
		   const int *fds, size_t n, struct error *err)
{
	return forwarder_call_all(c, request, 1, fds, n, err);
}

int forwarder_call_all(struct client *c, struct forwarder_request *requests,
		       size_t n_requests, const int *fds, size_t n, struct error *err)
{
	struct forwarder_reply unused;

	return forwarder_send(c, requests, n_requests, fds, n, &unused, err);
}

int forwarder_send(struct client *c, struct forwarder_request *requests, size_t n_requests,
		   const int *fds, size_t n, struct forwarder_reply *reply, struct error *err)
{
	struct call this = {
		.requests = requests,
		.n_requests = n_requests,
		.fds = fds,
		.n_fds = n,
		.reply = reply,
	};

	return call(c, &this, err);
}

int forwarder_ask(struct client *c, struct forwarder_request *request,
		  struct forwarder_reply *reply, struct error *err)
{
	return forwarder_send(c, request, 1, NULL, 0, reply, err);
}

int forwarder_get(struct client *c, struct forwarder_request *request,
		  struct forwarder_reply *reply, int *fds, size_t max, size_t *ret_n,
		  struct error *err)
{
	struct call this = {
		.requests = request,
		.n_requests = 1,
		.reply = reply,
		.ret_fds = fds,
		.max_fds = max,
	};
	int r = call(c, &this, err);

	*ret_n = this.n_ret_fds;
	return r;
}

int forwarder_open(struct client *c, uint32_t rule, const struct limits *limits,
		   struct error *err)
{
	struct forwarder_request request = {
		.type = FORWARDER_OPEN,
		.open = { .rule = rule, .limits = *limits },
	};

	return forwarder_call(c, &request, NULL, 0, err);
}

int forwarder_tell(struct client *c, struct forwarder_request *request)
{
	request->serial = ++c->serial;
	return fd_send(c->fd, request, sizeof(*request), NULL, 0);
}

int netns_send(struct client *c, struct netns_request *request)
{
	request->log_level = (uint8_t)log_level_get();
	request->log_json = log_is_json();
	return fd_send(c->fd, request, sizeof(*request), NULL, 0);
}

int netns_call(struct client *c, struct netns_request *request, int fd,
	       struct netns_reply *reply, struct error *err)
{
	size_t unused;

	request->log_level = (uint8_t)log_level_get();
	request->log_json = log_is_json();
	if (fd_send(c->fd, request, sizeof(*request), &fd, fd >= 0) < 0 ||
	    fd_recv(c->fd, reply, sizeof(*reply), NULL, 0, &unused) != sizeof(*reply))
		return gone(c, "netns child", err);
	reply->text[sizeof(reply->text) - 1] = '\0';
	if (reply->error < 0)
		return error_set(err, reply->error, "%s", reply->text);
	return 0;
}
