/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

/* On loopback it is there at once; a machine that is stopped is waited for. */
#define WAIT_MS 1000

/*
 * A send fails while TCP has no memory for it (tcp_mem), although nothing waits in the socket. That
 * passes, and `auto` chooses once: try again, for no longer than a start may take.
 */
#define SAY_TRIES 10
#define SAY_PAUSE_MS 10

static bool is_fault(const struct probe *p)
{
	return p->result > PROBE_DIFFERS || (p->result == PROBE_DIFFERS && !p->is_avoidable);
}

void probes_run(struct probes *probes, const struct probe_test *tests, void *context,
		bool all)
{
	const char *missing = NULL;

	for (; tests->name && probes->n < PROBES_MAX; tests++) {
		struct probe *p = &probes->list[probes->n++];

		*p = (struct probe){ .name = tests->name, .is_avoidable = tests->weight == PROBE_AVOIDABLE };
		if (missing)
			probe_set(p, PROBE_IMPOSSIBLE, "", "not tried without: %s", missing);
		else
			tests->run(context, p);
		if (is_fault(p) && !all)
			return;
		if (p->result > PROBE_DIFFERS && tests->weight == PROBE_GATE && !missing)
			missing = tests->name;
	}
}

const struct probe *probes_find(const struct probes *probes, enum probe_result least)
{
	for (size_t i = 0; i < probes->n; i++)
		if (probes->list[i].result >= least)
			return &probes->list[i];
	return NULL;
}

const struct probe *probes_find_fault(const struct probes *probes)
{
	for (size_t i = 0; i < probes->n; i++)
		if (is_fault(&probes->list[i]))
			return &probes->list[i];
	return NULL;
}

void probe_set(struct probe *probe, enum probe_result result, const char *advice,
	       const char *why, ...)
{
	va_list ap;

	probe->result = result;
	snprintf(probe->advice, sizeof(probe->advice), "%s", advice);
	va_start(ap, why);
	vsnprintf(probe->why, sizeof(probe->why), why, ap);
	va_end(ap);
}

void probe_errno(struct probe *probe, int r, const char *what)
{
	probe_set(probe, PROBE_FAILED, "", "%s: %s", what, errno_text(r));
}

const char *probe_result_name(enum probe_result result)
{
	static const char *const names[] = {
		[PROBE_OK] = "ok",
		[PROBE_DEGRADED] = "degraded",
		[PROBE_DIFFERS] = "differs",
		[PROBE_FAILED] = "failed",
		[PROBE_IMPOSSIBLE] = "not possible",
	};

	return names[result];
}

int probe_wait(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int n = poll(&pfd, 1, WAIT_MS);

	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

static int tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A connect that a firewall swallows must not hold up the start for minutes. */
static int open_pair(struct probe_pair *p, int rcvbuf)
{
	_cleanup_close_ int listener = tcp_socket();
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int r;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	p->connected = tcp_socket();
	if (p->connected < 0 ||
	    (rcvbuf && setsockopt(p->connected, SOL_SOCKET, SO_RCVBUF, &rcvbuf,
				  sizeof(rcvbuf)) < 0) ||
	    (connect(p->connected, (struct sockaddr *)&at, len) < 0 &&
	     errno != EINPROGRESS))
		return -errno;
	r = probe_wait(listener, POLLIN);
	if (r < 0)
		return r;
	p->accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return p->accepted < 0 ? -errno : 0;
}

int probe_pair_open(struct probe_pair *pair, int rcvbuf, struct probe *probe)
{
	int r;

	*pair = (struct probe_pair){ -1, -1 };
	r = open_pair(pair, rcvbuf);
	if (r < 0)
		probe_set(probe, PROBE_IMPOSSIBLE,
			  r == -ENETUNREACH ? "the tests need 127.0.0.1: ip link set lo up" : "",
			  "no connection can be made over loopback: %s", errno_text(r));
	return r;
}

void probe_pair_close(struct probe_pair *pair)
{
	const struct linger reset = { .l_onoff = 1 };

	/* by a reset: no port stays in TIME_WAIT for a minute after each start */
	if (pair->connected >= 0)
		setsockopt(pair->connected, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	pair->connected = fd_close(pair->connected);
	pair->accepted = fd_close(pair->accepted);
}

static bool may_pass(int r)
{
	return r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM;
}

int probe_says(int fd, const char *text, struct probe *probe)
{
	size_t at = 0, len = strlen(text);
	int r = 0;

	for (int tries = 0; at < len && tries < SAY_TRIES && (r == 0 || may_pass(r)); tries++) {
		ssize_t n;

		if (tries > 0)
			poll(NULL, 0, SAY_PAUSE_MS);
		n = send(fd, text + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		r = n < 0 ? -errno : 0;
		at += n > 0 ? (size_t)n : 0;
	}
	if (at == len)
		return 0;
	if (r == 0)
		r = -EAGAIN;
	if (may_pass(r))
		probe_set(probe, PROBE_FAILED, "start it again, or raise net.ipv4.tcp_mem",
			  "TCP has no memory for a short send (net.ipv4.tcp_mem), tried %d times: %s",
			  SAY_TRIES, errno_text(r));
	else
		probe_errno(probe, r, "a short send fails");
	return r;
}

int probe_hears(int fd, const char *text)
{
	char got[64];
	size_t at = 0;

	while (text[at]) {
		int r = probe_wait(fd, POLLIN);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
		if (n < 0)
			return -errno;
		if (n == 0 || strncmp(text + at, got, (size_t)n) != 0)
			return -EBADMSG;
		at += (size_t)n;
	}
	return 0;
}
