/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/clients.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timer.h"

void client_init(struct client *c)
{
	*c = (struct client){ .fd = -1, .signal_fd = -1, .exit_fd = -1 };
	process_init(&c->process);
}

void client_done(struct client *c, int grace_ms)
{
	c->fd = fd_close(c->fd);
	forwarder_told_done(&c->told);
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

	if (c->is_running || c->is_lost)
		return error_set(err, -ECHILD, "the %s is gone", name);
	if (process_wait(&c->process, 1000, &status) < 0)
		return error_set(err, -ECHILD, "the %s does not answer", name);
	return error_set(err, -ECHILD, "the %s %s", name,
			 process_status_text(status, text, sizeof(text)));
}

int client_distrust(struct client *c, const char *name, struct error *err)
{
	c->is_lost = true;
	/* not reaped before process_wait(), so the pid is still its own */
	if (c->process.pid > 0)
		kill(c->process.pid, SIGKILL);
	return error_set(err, -EBADMSG, "a message of the %s makes no sense: it was ended", name);
}

void client_running(struct client *c, int signal_fd, int exit_fd)
{
	struct timeval limit = { .tv_sec = CLIENT_TIMEOUT_S };

	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	c->signal_fd = signal_fd;
	c->exit_fd = exit_fd;
	c->is_running = true;
}

static void close_all(int *fds, size_t *n)
{
	while (fds && *n)
		fd_close(fds[--*n]);
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
	uint64_t began; /* of the first page; 0: this call is not one of several */
};

static long ms_until(uint64_t end)
{
	uint64_t now = timer_now();

	return now < end ? (long)(end - now) : 0;
}

/* Until there is something to read; see client_running(). */
static int wait_reply(const struct client *c, uint64_t began, uint64_t end)
{
	struct pollfd fds[] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = c->signal_fd, .events = POLLIN },
		{ .fd = c->exit_fd, .events = POLLRDHUP },
	};
	int r;

	if (!c->is_running)
		return 0;
	do {
		long patience = ms_until(began + CLIENT_PATIENCE_MS);

		r = poll(fds, patience ? 1 : 3, (int)(patience ? patience : ms_until(end)));
		if (!patience && (fds[1].revents || fds[2].revents))
			return -ECANCELED;
	} while ((r < 0 && errno == EINTR) || (r == 0 && ms_until(end)));
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

/*
 * forwarder_recv - the reply to the latest request; those to requests that were given up come
 * first. Its length and its serial are right, the rest is not checked. Returns its length, 0
 * at end of file, or -errno.
 */
static ssize_t forwarder_recv(struct client *c, struct call *call)
{
	uint64_t now = timer_now(), began = call->began ? call->began : now;
	uint64_t all = began + CLIENT_PAGES_TIMEOUT_S * 1000, one = now + CLIENT_TIMEOUT_S * 1000;
	ssize_t len;

	for (;;) {
		len = wait_reply(c, began, one < all ? one : all);
		if (len < 0)
			return len;
		len = fd_recv(c->fd, call->reply, sizeof(*call->reply), call->ret_fds,
			      call->max_fds, &call->n_ret_fds);
		if (len != sizeof(*call->reply))
			return len > 0 || len == -EMSGSIZE ? -EBADMSG : len;
		/* they come in the order of the requests, each once */
		if (call->reply->serial - c->seen - 1 >= c->serial - c->seen)
			return -EBADMSG;
		c->seen = call->reply->serial;
		if (c->seen == c->serial)
			return len;
		close_all(call->ret_fds, &call->n_ret_fds);
	}
}

/* Requests that could not be sent are not obeyed: nothing of them is noted. */
static int send_requests(struct client *c, struct forwarder_request *requests, size_t n,
			 const int *fds, size_t n_fds)
{
	int r = forwarder_told_reserve(&c->told, n);

	if (r < 0)
		return r;
	c->serial++;
	for (size_t i = 0; i < n; i++)
		requests[i].serial = c->serial;
	r = fd_send(c->fd, requests, n * sizeof(*requests), fds, n_fds);
	for (size_t i = 0; i < n && r >= 0; i++)
		forwarder_told_request(&c->told, &requests[i]);
	return r;
}

static ssize_t exchange(struct client *c, struct call *call)
{
	struct forwarder_expected expected = {
		.requests = call->requests,
		.n_requests = call->n_requests,
		.told = &c->told,
	};
	ssize_t len;
	int r;

	r = send_requests(c, call->requests, call->n_requests, call->fds, call->n_fds);
	if (r < 0)
		return r == -EAGAIN ? -ETIMEDOUT : r;
	len = forwarder_recv(c, call);
	if (len <= 0)
		return len;
	r = forwarder_reply_check(call->reply, (size_t)len, call->n_ret_fds, &expected);
	if (r < 0)
		return r;
	forwarder_told_reply(&c->told, call->requests, call->reply);
	return len;
}

static int call(struct client *c, struct call *call, struct error *err)
{
	struct forwarder_reply *reply = call->reply;
	ssize_t len;

	if (c->is_lost)
		return gone(c, "forwarder", err);
	/* gcc -fanalyzer does not see that a length above 0 is that of a reply */
	reply->error = 0;
	*reply->text = '\0';
	len = exchange(c, call);
	if (len > 0 && reply->error >= 0)
		return 0;
	close_all(call->ret_fds, &call->n_ret_fds);
	if (len == -EBADMSG)
		return client_distrust(c, "forwarder", err);
	if (len == -ECANCELED)
		return error_set(err, -ECANCELED, "the forwarder had not answered when a signal came");
	if (len == -ETIMEDOUT)
		return error_set(err, -ETIMEDOUT, "the forwarder has not answered within %d s",
				 CLIENT_TIMEOUT_S);
	if (len == -ENOMEM)
		return error_errno(err, -ENOMEM, "cannot ask the forwarder");
	if (len <= 0)
		return gone(c, "forwarder", err);
	if (*reply->text)
		return error_set(err, reply->error, "%s", reply->text);
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

int forwarder_page(struct client *c, struct forwarder_request *request,
		   struct forwarder_reply *reply, uint64_t began, struct error *err)
{
	struct call this = {
		.requests = request,
		.n_requests = 1,
		.reply = reply,
		.began = began,
	};

	return call(c, &this, err);
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
	return send_requests(c, request, 1, NULL, 0);
}

int netns_send(struct client *c, struct netns_request *request)
{
	request->log_level = (uint8_t)log_level_get();
	request->log_json = log_is_json();
	return fd_send(c->fd, request, sizeof(*request), NULL, 0);
}

static int receive(struct client *c, struct netns_reply *reply, struct error *err)
{
	size_t unused;
	ssize_t len = fd_recv(c->fd, reply, sizeof(*reply), NULL, 0, &unused);

	if (len <= 0 && len != -EMSGSIZE)
		return gone(c, "netns child", err);
	if (len < 0 || netns_reply_check(reply, (size_t)len) < 0)
		return client_distrust(c, "netns child", err);
	if (reply->error < 0)
		return error_set(err, reply->error, "%s", reply->text);
	return 0;
}

int netns_call(struct client *c, struct netns_request *request, int fd,
	       struct netns_reply *reply, struct error *err)
{
	request->log_level = (uint8_t)log_level_get();
	request->log_json = log_is_json();
	if (fd_send(c->fd, request, sizeof(*request), &fd, fd >= 0) < 0)
		return gone(c, "netns child", err);
	return receive(c, reply, err);
}

bool netns_late(struct client *c)
{
	struct netns_reply unused;

	if (!c->late || recv(c->fd, &unused, sizeof(unused), MSG_DONTWAIT) <= 0)
		return false;
	c->late--;
	return true;
}

int netns_ask(struct client *c, struct netns_request *request, struct netns_reply *reply,
	      struct error *err)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

	while (netns_late(c))
		;
	if (netns_send(c, request) < 0)
		return gone(c, "netns child", err);
	do {
		if (poll(&pfd, 1, CLIENT_PATIENCE_MS) <= 0) {
			c->late++;
			return error_set(err, -ETIMEDOUT, "the netns child has not answered "
					 "within %d ms", CLIENT_PATIENCE_MS);
		}
	} while (netns_late(c));
	return receive(c, reply, err);
}
