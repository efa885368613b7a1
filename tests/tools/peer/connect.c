/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection to a port ends on which nobody may be listening, and how
 * long it takes. The sockets native to a host refuse; behind a forwarder the
 * connection is made first and then reset. Only the time differs from one
 * run to the next; it stands on a line of its own.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modes.h"
#include "pattern.h"
#include "sock.h"
#include "util.h"

static void say_something(int fd, const struct options *o)
{
	unsigned char buf[65536];
	size_t n = o->bytes < sizeof(buf) ? (size_t)o->bytes : sizeof(buf);

	if (o->bytes == PEER_UNLIMITED)
		return;
	pattern_fill(pattern_seed(o->seed, 0, PATTERN_CLIENT), 0, buf, n);
	if (send(fd, buf, n, MSG_NOSIGNAL) < 0)
		say("send: %s", errno_name(errno));
}

/* Reads to the end, whatever comes. */
static void watch(int fd)
{
	unsigned char buf[65536];
	ssize_t n;

	do {
		n = recv(fd, buf, sizeof(buf), 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	say("recv: %s", n ? errno_name(errno) : "EOF");
}

int connect_client(const struct options *o)
{
	int fd = sock_open(o, 0, IO_BLOCKING, 0), r;
	uint64_t start = now_ns();

	watchdog_expect("connect");
	r = sock_connect(fd, o, 0);
	say("connect: %s", r ? errno_name(-r) : "ok");
	if (!r) {
		say_something(fd, o);
		watchdog_expect("the end of the connection");
		watch(fd);
	}
	say("ms: %.3f", (double)(now_ns() - start) / 1e6);
	close(fd);
	return 0;
}
