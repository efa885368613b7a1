/* SPDX-License-Identifier: Apache-2.0 */
/* The forwarder as a process of its own, which does what the supervisor says. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "forwarder/forwarder.h"
#include "forwarder/hand_over.h"
#include "forwarder/protocol.h"
#include "isolation/hide.h"

/* Until one fails; all have the same serial. */
static void obey(struct forwarder *f, const struct forwarder_request *requests, size_t n,
		 int *fds, size_t n_fds, struct forwarder_reply *reply)
{
	struct error err = { "" };

	reply->serial = requests->serial;
	for (size_t i = 0; i < n && reply->error >= 0; i++) {
		size_t share = forwarder_request_fds(&requests[i]);

		share = share < n_fds ? share : n_fds;
		reply->error = forwarder_obey(f, &requests[i], reply, fds, share, &err);
		fds += share;
		n_fds -= share;
	}
	while (n_fds > 0)
		fd_close(fds[--n_fds]);
	if (reply->error < 0)
		memcpy(reply->text, err.text, sizeof(reply->text));
}

/* What is replied to with descriptors: copies, which stay this process's. */
static bool hand_over(struct forwarder *f, const struct forwarder_request *request,
		      struct forwarder_reply *reply, int *fds, size_t *ret_n)
{
	if (request->type == FORWARDER_SOCKETS)
		reply->error = hand_over_sockets(f, request, fds, ret_n);
	else if (request->type == FORWARDER_SESSIONS)
		*ret_n = hand_over_sessions(f, request->sessions, &reply->sessions, fds);
	else
		return false;
	reply->serial = request->serial;
	return true;
}

static void on_request(struct loop_source *source, uint32_t events)
{
	struct forwarder *f =
		(void *)((char *)source - offsetof(struct forwarder, supervisor));
	struct forwarder_request requests[FORWARDER_AT_ONCE];
	struct forwarder_reply reply = { 0 };
	int fds[FD_PASS_MAX];
	int n_requests;
	size_t n = 0;
	ssize_t len;

	len = fd_recv(source->fd, requests, sizeof(requests), fds, FD_PASS_MAX, &n);
	if (len == -EAGAIN)
		return;
	n_requests = len < 0 ? (int)len : forwarder_requests_check(requests, (size_t)len, n);
	if (n_requests < 0) {
		while (n > 0)
			fd_close(fds[--n]);
		forwarder_finish(f);
		return;
	}
	if (requests->type == FORWARDER_STOP) {
		if (requests->stop.drain)
			forwarder_drain(f);
		else
			forwarder_finish(f);
		return;
	}
	if (n || !hand_over(f, requests, &reply, fds, &n)) {
		obey(f, requests, (size_t)n_requests, fds, n, &reply);
		n = 0;
	}
	fd_send(source->fd, &reply, sizeof(reply), fds, n);
	if (requests->type == FORWARDER_START)
		memory_trim();
}

/* The supervisor has one line to tell: the start's error goes into the first reply. */
static void refuse(int supervisor_fd, int error)
{
	struct forwarder_request request;
	struct forwarder_reply reply = { .error = error };
	struct error err = { "" };
	size_t n;

	error_errno(&err, error, "the forwarder does not start");
	memcpy(reply.text, err.text, sizeof(reply.text));
	if (fd_recv(supervisor_fd, &request, sizeof(request), NULL, 0, &n) != sizeof(request))
		return;
	reply.serial = request.serial;
	fd_send(supervisor_fd, &reply, sizeof(reply), NULL, 0);
}

int forwarder_main(int supervisor_fd, int netns_fd)
{
	static struct forwarder f;
	int r;

	isolation_hide();
	/* splice(2) to a socket that is gone raises it, and has no flag */
	signal(SIGPIPE, SIG_IGN);
	fd_close_all_but((int[]){ STDERR_FILENO, supervisor_fd, netns_fd }, 3);
	log_open();
	r = forwarder_init(&f, netns_fd);
	if (r >= 0)
		r = loop_add(&f.loop, &f.supervisor, supervisor_fd, EPOLLIN, on_request);
	if (r < 0)
		refuse(supervisor_fd, r);
	else if ((r = loop_run(&f.loop)) < 0)
		log_error("forwarder: %s", errno_text(r));
	forwarder_done(&f);
	log_last();
	fd_close(supervisor_fd);
	return r < 0 ? 1 : 0;
}
