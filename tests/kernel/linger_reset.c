/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What close(2) of a TCP socket sends, and what the other side still reads:
 * a reset with SO_LINGER 0 (socket(7)), a reset as well when bytes are left
 * unread (RFC 2525, 2.17), otherwise a FIN.
 */
#include "kernel/socket.h"

static int fds[2];
static char buffer[1 << 20];

static void reset_on_close(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

static long take(void)
{
	return RC(recv(fds[1], buffer, sizeof(buffer), 0));
}

/* Closes the first socket; the second has seen what that sends. */
static void close_first(void)
{
	close(fds[0]);
	MUST(wait_for(fds[1], POLLRDHUP) ? 0 : -1);
}

static void linger(void)
{
	tcp_pair(fds);
	reset_on_close(fds[0]);
	close_first();
	tap_is(take(), -ECONNRESET, "SO_LINGER 0: ECONNRESET");
	tap_is(take(), 0, "once; then it looks like an end of file");
	close(fds[1]);

	tcp_pair(fds);
	MUST(send(fds[0], buffer, 5, 0));
	wait_received(fds[1], 5);
	reset_on_close(fds[0]);
	close_first();
	tap_is(take(), 5,
	       "SO_LINGER 0 after bytes that had arrived: they are read first");
	tap_is(take(), -ECONNRESET, "then ECONNRESET");
	close(fds[1]);
}

static void linger_drops(void)
{
	long n, got = 0;

	tcp_pair_sized(fds, 8192);
	set_option(fds[0], SOL_SOCKET, SO_SNDBUF, 1 << 20);
	tap_is(RC(send(fds[0], buffer, 200000, MSG_DONTWAIT)), 200000,
	       "more is sent than the receiver has room for");
	reset_on_close(fds[0]);
	close_first();
	while ((n = take()) > 0)
		got += n;
	tap_is(n, -ECONNRESET, "the reader gets a reset");
	tap_ok(got < 200000, "and not what was still in the sender's queue");
	tap_diag("%ld of 200000 bytes arrived", got);
	close(fds[1]);
}

static void unread(void)
{
	tcp_pair(fds);
	MUST(send(fds[1], buffer, 5, 0));
	wait_received(fds[0], 5);
	MUST(send(fds[0], buffer, 3, 0));
	wait_received(fds[1], 3);
	close_first();
	tap_is(take(), 3, "close with unread bytes: what had arrived is read first");
	tap_is(take(), -ECONNRESET, "then ECONNRESET");
	close(fds[1]);
}

static void discarded(void)
{
	tcp_pair(fds);
	MUST(send(fds[1], buffer, 60000, 0));
	wait_received(fds[0], 60000);
	tap_is(RC(recv(fds[0], NULL, 1 << 30, MSG_TRUNC | MSG_DONTWAIT)), 60000,
	       "recv(MSG_TRUNC) discards without a buffer: tcp(7)");
	tap_is(RC(recv(fds[0], NULL, 1 << 30, MSG_TRUNC | MSG_DONTWAIT)), -EAGAIN,
	       "all there is, in one call");
	close_first();
	tap_is(take(), 0, "then close sends a FIN");
	close(fds[1]);
}

/* shutdown first does not help: the unread bytes still turn into a reset. */
static void unread_after_shutdown(void)
{
	tcp_pair(fds);
	MUST(send(fds[1], buffer, 5, 0));
	wait_received(fds[0], 5);
	MUST(shutdown(fds[0], SHUT_WR));
	MUST(wait_for(fds[1], POLLRDHUP) ? 0 : -1);
	tap_is(take(), 0, "shutdown(SHUT_WR) with unread bytes: a FIN");
	close(fds[0]);
	wait_reset(fds[1]);
	tap_ok(poll_now(fds[1], POLLIN) & POLLERR, "close after that: a reset");
	tap_is(take(), 0, "which recv does not tell, as it had the FIN");
	tap_is(get_option(fds[1], SOL_SOCKET, SO_ERROR), EPIPE, "SO_ERROR does");
	close(fds[1]);
}

int main(void)
{
	linger();
	linger_drops();
	unread();
	discarded();
	unread_after_shutdown();
	return tap_end();
}
