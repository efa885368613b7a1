/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams that come back as they were. The server answers each; it knows its
 * clients by their ports, so behind a forwarder the sessions. With --control:
 *
 *   status   how many clients and datagrams there were    clients: N, received: M
 *   tell     sends one byte to each client                told N
 *   forget   the clients are forgotten                    forgot N
 *
 * The client sends one datagram of each size of --write-size, and waits for
 * its echo before the next; a second one of the same size must not come.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modes.h"
#include "pattern.h"
#include "udp.h"
#include "util.h"

#define ECHO_MS 3000

struct server {
	int fd;
	unsigned int clients, received;
	struct sockaddr_storage seen[65536]; /* by port */
};

static void remember(struct server *s, const struct sockaddr_storage *ss)
{
	struct addr addr;
	uint16_t port = 0;

	addr_from_sockaddr(ss, &addr, &port);
	s->clients += s->seen[port].ss_family == AF_UNSPEC;
	s->seen[port] = *ss;
}

static void answer(struct server *s)
{
	static unsigned char buf[65536];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n;

	n = recvfrom(s->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&ss, &len);
	if (n < 0)
		return;
	s->received++;
	remember(s, &ss);
	sendto(s->fd, buf, (size_t)n, 0, (struct sockaddr *)&ss, len);
}

static void tell(struct server *s)
{
	unsigned int told = 0;

	for (unsigned int port = 0; port < 65536; port++) {
		const struct sockaddr_storage *ss = &s->seen[port];
		socklen_t len = ss->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
							   sizeof(struct sockaddr_in6);

		if (ss->ss_family != AF_UNSPEC)
			told += sendto(s->fd, "t", 1, 0, (const struct sockaddr *)ss, len) == 1;
	}
	say("told %u", told);
}

static void obey(struct server *s, const char *line)
{
	if (strcmp(line, "status") == 0) {
		say("clients: %u, received: %u", s->clients, s->received);
	} else if (strcmp(line, "tell") == 0) {
		tell(s);
	} else if (strcmp(line, "forget") == 0) {
		say("forgot %u", s->clients);
		memset(s->seen, 0, sizeof(s->seen));
		s->clients = 0;
	} else {
		die("stdin says \"%s\"", line);
	}
}

int udp_echo_server(const struct options *o)
{
	struct server *s = xalloc(1, sizeof(*s));
	struct pollfd fds[2];
	char line[64];

	s->fd = udp_listen(o);
	watchdog_expect("the end of the datagrams");
	fds[0] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = o->control ? STDIN_FILENO : -1, .events = POLLIN };
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die_errno("poll");
		if (fds[0].revents)
			answer(s);
		if (!fds[1].revents)
			continue;
		if (!read_line(line, sizeof(line)))
			return 0;
		obey(s, line);
	}
}

struct sweep {
	int fd;
	unsigned int echoed, wrong, lost, refused;
	uint64_t seed;
};

/* Returns false when nothing came in time. */
static bool await_echo(struct sweep *s, const unsigned char *want, size_t size)
{
	static unsigned char got[UDP_SIZE_MAX + 100];
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, ECHO_MS) == 0)
		return false;
	n = recv(s->fd, got, sizeof(got), 0);
	if (n < 0) {
		s->refused += errno == ECONNREFUSED;
		return false;
	}
	if ((size_t)n == size && memcmp(got, want, size) == 0) {
		s->echoed++;
		return true;
	}
	s->wrong++;
	say("wrong: %zd bytes instead of %zu", n, size);
	return true;
}

static void sweep_one(struct sweep *s, size_t size)
{
	static unsigned char out[UDP_SIZE_MAX];

	pattern_fill(s->seed + size, 8, out, size);
	if (send(s->fd, out, size, 0) < 0) {
		if (errno != ECONNREFUSED)
			die_errno("send %zu bytes", size);
		s->refused++;
	}
	s->lost += !await_echo(s, out, size);
}

int udp_echo_client(const struct options *o)
{
	struct sweep s = { .fd = udp_connected(o, 0), .seed = pattern_seed(o->seed, 0, 'C') };
	const struct range *sizes = &o->plan.write_size;
	struct pollfd pfd = { .fd = s.fd, .events = POLLIN };
	uint64_t step = o->step ? o->step : 1, size;

	if (sizes->max > UDP_SIZE_MAX)
		die("a datagram has %u bytes at most", UDP_SIZE_MAX);
	watchdog_expect("an echo");
	for (size = sizes->min; size <= sizes->max && s.lost < 10; size += step)
		sweep_one(&s, size);
	if (size - step < sizes->max)
		sweep_one(&s, sizes->max);
	while (poll(&pfd, 1, 0) > 0 && recv(s.fd, NULL, 0, 0) >= 0)
		s.wrong++;
	say("echoed: %u, wrong: %u, lost: %u, refused: %u", s.echoed, s.wrong, s.lost, s.refused);
	return s.wrong || s.lost ? EXIT_WRONG : 0;
}
