/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of a connection, one direction at a time: what shutdown(2) and
 * close(2) of one side are to the other, in bytes, events and errors.
 */
#include "kernel/socket.h"

#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

static int fds[2], epoll;
static char buffer[100];

static void begin(void)
{
	tcp_pair(fds);
	epoll = watch(fds[1], EVENTS);
}

static void end(void)
{
	close(epoll);
	close(fds[1]);
}

static long take(void)
{
	return RC(recv(fds[1], buffer, sizeof(buffer), MSG_DONTWAIT));
}

static long put(void)
{
	return RC(send(fds[1], "abc", 3, MSG_NOSIGNAL));
}

static void one_direction(void)
{
	begin();
	MUST(send(fds[0], "abc", 3, 0));
	MUST(shutdown(fds[0], SHUT_WR));
	wait_received(fds[1], 4);
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP, "shutdown(SHUT_WR): RDHUP and no HUP");
	tap_is(take(), 3, "the bytes before it");
	tap_is(take(), 0, "the end");
	tap_is(take(), 0, "and the end again");
	tap_is(put(), 3, "the other direction is open");
	tap_is(RC(recv(fds[0], buffer, sizeof(buffer), 0)), 3, "and delivers");
	tap_is(RC(send(fds[0], "x", 1, MSG_NOSIGNAL)), -EPIPE,
	       "this one is closed: EPIPE");
	tap_edge(epoll, 0, "no event came of all that");

	MUST(shutdown(fds[1], SHUT_WR));
	tap_is(RC(recv(fds[0], buffer, sizeof(buffer), 0)), 0, "both are closed now");
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP | EPOLLHUP, "which is HUP");
	tap_is(get_option(fds[1], SOL_SOCKET, SO_ERROR), 0, "and no error");
	close(fds[0]);
	end();
}

/* The peer is gone for good, and does not say so before it is asked. */
static void write_after_close(void)
{
	begin();
	MUST(send(fds[0], "abc", 3, 0));
	close(fds[0]);
	wait_received(fds[1], 4);
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP, "close looks like shutdown(SHUT_WR)");
	tap_is(put(), 3, "the first write goes well");
	wait_reset(fds[1]);
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR,
		 "its answer is a reset");
	tap_is(take(), 3, "what came before is still read");
	tap_is(put(), -EPIPE, "the second write: EPIPE");
	tap_is(take(), 0, "a FIN came before the reset: recv tells only that");
	tap_is(RC(shutdown(fds[1], SHUT_WR)), -ENOTCONN, "shutdown: ENOTCONN");
	end();
}

static void end_and_error(void)
{
	struct linger linger = { .l_onoff = 1 };

	begin();
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	MUST(shutdown(fds[0], SHUT_WR));
	wait_received(fds[1], 1);
	close(fds[0]);
	wait_reset(fds[1]);
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR,
		 "a FIN, then a reset: ERR");
	tap_is(take(), 0, "recv says: end of file");
	tap_is(take(), 0, "again");
	tap_is(get_option(fds[1], SOL_SOCKET, SO_ERROR), EPIPE,
	       "only SO_ERROR knows better");
	tap_is(get_option(fds[1], SOL_SOCKET, SO_ERROR), 0, "once");
	end();

	begin();
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fds[0]);
	wait_reset(fds[1]);
	tap_is(put(), -ECONNRESET, "a reset without a FIN, write: ECONNRESET");
	tap_is(put(), -EPIPE, "then EPIPE");
	tap_is(take(), 0, "the write took the error: recv says end of file");
	end();
}

/* close(2) right after send(2): everything arrives, then the end. */
static void close_delivers(void)
{
	static char big[200000];
	long n, got = 0;

	begin();
	set_option(fds[0], SOL_SOCKET, SO_SNDBUF, sizeof(big));
	tap_is(RC(send(fds[0], big, sizeof(big), MSG_DONTWAIT)), sizeof(big),
	       "more than the receiver has room for");
	close(fds[0]);
	while ((n = RC(recv(fds[1], big, sizeof(big), 0))) > 0)
		got += n;
	tap_is(n, 0, "close: an end of file");
	tap_is(got, sizeof(big), "after all bytes");
	end();
}

int main(void)
{
	one_direction();
	write_after_close();
	end_and_error();
	close_delivers();
	return tap_end();
}
