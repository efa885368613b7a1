/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/clients.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

void client_init(struct client *c)
{
	process_init(&c->process);
	c->fd = -1;
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

	if (process_wait(&c->process, 1000, &status) < 0)
		return error_set(err, -ECHILD, "the %s does not answer", name);
	return error_set(err, -ECHILD, "the %s %s", name,
			 process_status_text(status, text, sizeof(text)));
}

int forwarder_call(struct client *c, const struct forwarder_request *request,
		   const int *fds, size_t n, struct error *err)
{
	struct forwarder_reply reply;
	size_t unused;

	if (fd_send(c->fd, request, sizeof(*request), fds, n) < 0 ||
	    fd_recv(c->fd, &reply, sizeof(reply), NULL, 0, &unused) != sizeof(reply))
		return gone(c, "forwarder", err);
	if (reply.error < 0 && *reply.text)
		return error_set(err, reply.error, "%.*s", (int)sizeof(reply.text) - 1,
				 reply.text);
	if (reply.error < 0)
		return error_errno(err, reply.error, "the forwarder refused a request");
	return 0;
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
