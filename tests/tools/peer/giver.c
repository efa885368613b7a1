/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listens at the control socket --socket in the place of a portshunt. Prints each request, and
 * answers it with a line of stdin, "KIND TEXT":
 *
 *	-	TEXT alone
 *	tcp	TEXT and a TCP listener at --bind and --port
 *	bound	TEXT and a TCP socket that is bound there and does not listen
 *	udp	TEXT and a UDP socket that is bound there
 *	to NETNS ADDRESS PORT
 *		TEXT and a UDP socket of the namespace at NETNS that is connected there; of port 0,
 *		one that is not connected
 *	channel	TEXT and a socket over which the next requests come
 *	again	TEXT alone, to this request and to all that follow
 *	drip	TEXT byte by byte, ten a second, again and again, without a line's end
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "modes.h"
#include "sock.h"
#include "util.h"

#define DRIP_MS 100

static int listen_control(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!path || strlen(path) >= sizeof(sa.sun_path))
		die("--socket: no path, or it is too long");
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 8) < 0)
		die_errno("%s", path);
	return fd;
}

static int open_bound(const struct options *o, bool udp, bool listens)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&o->addr, o->port, &ss);
	int on = 1, fd = socket(ss.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		die_errno("socket");
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || (listens && listen(fd, 8) < 0))
		die_errno("bind, listen");
	return fd;
}

/* @text is "NETNS ADDRESS PORT TEXT"; *at gets where TEXT begins. */
static int open_connected(const char *text, int *at)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char netns[256], address[64];
	struct sockaddr_storage ss;
	unsigned int port;
	struct addr to;
	int fd;

	if (sscanf(text, "%255s %63s %u %n", netns, address, &port, at) != 3 ||
	    addr_parse(address, &to) < 0)
		die("no line \"to NETNS ADDRESS PORT TEXT\" on stdin");
	netns_enter(netns);
	fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setns(own, CLONE_NEWNET) < 0)
		die_errno("%s", netns);
	if (port && connect(fd, (struct sockaddr *)&ss, addr_to_sockaddr(&to, (uint16_t)port, &ss)) < 0)
		die_errno("connect %s", address);
	return fd;
}

static void drip(int fd, const char *text)
{
	watchdog_expect("the end of who reads drops");
	for (size_t i = 0; send(fd, text + i, 1, MSG_NOSIGNAL) == 1; i = text[i + 1] ? i + 1 : 0)
		poll(NULL, 0, DRIP_MS);
	say("given up");
}

/* Returns what is sent with @text from *at on, or -1; *channel is where the next request comes. */
static int open_passed(const struct options *o, const char *kind, const char *text, int *at,
		       int *channel)
{
	int fds[2];

	if (strcmp(kind, "channel") == 0) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
			die_errno("socketpair");
		*channel = fds[0];
		return fds[1];
	}
	if (strcmp(kind, "-") == 0 || strcmp(kind, "again") == 0)
		return -1;
	if (strcmp(kind, "to") == 0)
		return open_connected(text, at);
	return open_bound(o, strcmp(kind, "udp") == 0, strcmp(kind, "tcp") == 0);
}

/* The next request on @fd, which is printed; or false at its end. */
static bool read_request(int fd)
{
	static char text[65536];
	size_t n;
	ssize_t len = fd_recv(fd, text, sizeof(text) - 1, NULL, 0, &n);

	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (len > 0)
		say("%s", text);
	return len > 0;
}

/* The next connection, or -1 when there is none and stdin has ended. */
static int next_connection(int listener)
{
	struct pollfd fds[] = { { .fd = listener, .events = POLLIN }, { .fd = 0 } };

	watchdog_expect("a connection");
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	return fds[0].revents ? accept(listener, NULL, NULL) : -1;
}

/* Returns false when the next request is to come over another connection. */
static bool serve(const struct options *o, int *fd)
{
	static char line[8192 + 1], kind[16];
	static int at; /* "again" says the same as before */
	int channel = *fd, passed, begin = 0;

	if (!read_request(*fd))
		return false;
	if (strcmp(kind, "again") != 0) {
		if (!read_line(line, sizeof(line) - 1) || sscanf(line, "%15s %n", kind, &at) != 1)
			die("no line \"KIND TEXT\" on stdin");
		if (strcmp(kind, "drip") == 0) {
			drip(*fd, line + at);
			return false;
		}
		memcpy(line + strlen(line), "\n", 2);
	}
	passed = open_passed(o, kind, line + at, &begin, &channel);
	fd_send(*fd, line + at + begin, strlen(line + at + begin), &passed, passed >= 0);
	fd_close(passed);
	*fd = channel;
	return true;
}

int giver(const struct options *o)
{
	int listener = listen_control(o->socket), fd;

	if (o->ready_fd >= 0)
		dprintf(o->ready_fd, "0\n");
	while ((fd = next_connection(listener)) >= 0) {
		while (serve(o, &fd))
			;
		fd_close(fd);
	}
	return 0;
}
