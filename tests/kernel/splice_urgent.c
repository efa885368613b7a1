/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader meets at an urgent mark (tcp(7), RFC 6093) without
 * SO_OOBINLINE: where splice(2) and recv(2) stop, who steps over the byte,
 * and which events tell of it (net/ipv4/tcp.c: tcp_splice_read,
 * tcp_recvmsg_locked, tcp_poll).
 */
#include "kernel/socket.h"

static int fds[2], pipe_fds[2];
static char buffer[100];

static void send_urgent(char byte)
{
	MUST(send(fds[0], &byte, 1, MSG_OOB));
}

/* @before, the urgent byte U, @after; all of it has arrived. */
static void begin(const char *before, const char *after)
{
	tcp_pair(fds);
	set_nonblock(fds[1], true);
	MUST(send(fds[0], before, strlen(before), 0));
	send_urgent('U');
	MUST(send(fds[0], after, strlen(after), 0));
	wait_received(fds[1], strlen(before) + 1 + strlen(after));
}

static bool at_mark(void)
{
	int at = 0;

	MUST(ioctl(fds[1], SIOCATMARK, &at));
	return at;
}

static long take(int flags)
{
	memset(buffer, 0, sizeof(buffer));
	return RC(recv(fds[1], buffer, sizeof(buffer) - 1, MSG_DONTWAIT | flags));
}

static long take_by_splice(void)
{
	return RC(splice(fds[1], NULL, pipe_fds[1], NULL, 1 << 20, SPLICE_F_NONBLOCK));
}

static void splice_stops(void)
{
	begin("abc", "xyz");
	tap_is(take_by_splice(), 3, "splice brings what is before the mark");
	tap_ok(at_mark(), "SIOCATMARK says so then");
	tap_is(take_by_splice(), -EAGAIN,
	       "splice of a non-blocking socket says EAGAIN at the mark, as if it were "
	       "empty");
	set_nonblock(fds[1], false);
	tap_is(take_by_splice(), 0,
	       "splice of a blocking socket returns 0 at the mark, as if it had ended");
	tap_is(take(MSG_OOB), 1, "recv(MSG_OOB) has the byte");
	tap_ok(buffer[0] == 'U', "it is the right one");
	tap_is(take_by_splice(), 0,
	       "splice does not step over the mark after that either");
	tap_is(take(0), 3, "recv does");
	tap_ok(strcmp(buffer, "xyz") == 0 && !at_mark(), "and goes on behind the byte");
	close_pair(fds);
}

static void recv_steps_over(void)
{
	begin("abc", "xyz");
	tap_is(take(0), 3, "recv stops at the mark as well");
	tap_is(take(0), 3, "the next recv returns what is behind the mark");
	tap_ok(strcmp(buffer, "xyz") == 0, "without the byte, which nobody has seen");
	tap_is(take(MSG_OOB), -EINVAL, "nor can anybody: recv(MSG_OOB) comes too late");
	close_pair(fds);
}

/* A recv that starts at the mark drops the byte even if it is all there is. */
static void nothing_behind(void)
{
	begin("abc", "");
	tap_is(take(0), 3, "the mark is the end of what came: recv stops there");
	tap_is(take(0), -EAGAIN, "recv at the mark finds nothing");
	tap_is(take(MSG_OOB), -EINVAL, "and the byte is lost all the same");
	close_pair(fds);
}

static void events(void)
{
	int epoll;

	begin("", "");
	epoll = watch(fds[1], EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET);
	tap_edge(epoll, EPOLLPRI, "an urgent byte alone is EPOLLPRI and not EPOLLIN");
	MUST(send(fds[0], "xyz", 3, 0));
	wait_received(fds[1], 4);
	tap_edge(epoll, EPOLLIN | EPOLLPRI, "with bytes behind it, it is both");
	tap_is(take(MSG_OOB), 1, "recv(MSG_OOB) takes the byte");
	MUST(shutdown(fds[0], SHUT_WR));
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP, "no EPOLLPRI any more once it is taken");
	close(epoll);
	close_pair(fds);
}

/* The kernel remembers one mark; the byte of an older one becomes ordinary. */
static void two_marks(void)
{
	begin("abc", "d");
	send_urgent('V');
	wait_received(fds[1], 6);
	tap_is(take(0), 5, "after a second mark recv reads on to that");
	tap_ok(strcmp(buffer, "abcUd") == 0,
	       "with the first urgent byte as an ordinary one");
	tap_is(take(MSG_OOB), 1, "recv(MSG_OOB) has the second");
	tap_ok(buffer[0] == 'V', "it is the right one");
	close_pair(fds);
}

/* With SO_OOBINLINE the byte is never dropped, and still never run over. */
static void inline_byte(void)
{
	int epoll;

	begin("", "");
	set_option(fds[1], SOL_SOCKET, SO_OOBINLINE, 1);
	epoll = watch(fds[1], EPOLLIN | EPOLLPRI | EPOLLET);
	tap_edge(epoll, EPOLLIN | EPOLLPRI,
		 "SO_OOBINLINE: an urgent byte alone is EPOLLIN");
	close(epoll);
	close_pair(fds);

	begin("abc", "xyz");
	set_option(fds[1], SOL_SOCKET, SO_OOBINLINE, 1);
	tap_is(take(0), 3, "recv stops at the mark");
	tap_is(take_by_splice(), -EAGAIN, "splice does not go beyond it");
	tap_ok(at_mark(), "SIOCATMARK says so");
	tap_is(take(0), 4, "recv at the mark reads the byte and what is behind it");
	tap_ok(strcmp(buffer, "Uxyz") == 0, "nothing is lost");
	close_pair(fds);
}

/* Segments announce a mark that the receiver's window does not reach yet. */
static void announced(void)
{
	static char filler[30000];
	bool saw_eagain = false;
	long r = -EINVAL;

	tcp_pair_sized(fds, 4096);
	set_option(fds[0], SOL_SOCKET, SO_SNDBUF, 1 << 20);
	tap_is(send(fds[0], filler, sizeof(filler), MSG_DONTWAIT), sizeof(filler),
	       "more is sent than the receiver has room for");
	send_urgent('U');
	while (r == -EINVAL || r == -EAGAIN) {
		MUST(wait_for(fds[1], POLLIN | POLLPRI) ? 0 : -1);
		r = take(MSG_OOB);
		saw_eagain |= r == -EAGAIN;
		if (r != 1)
			take(0);
	}
	tap_is(r, 1, "recv(MSG_OOB) has the byte in the end");
	tap_ok(saw_eagain, "and said EAGAIN as long as it was only announced");
	close_pair(fds);
}

int main(void)
{
	MUST(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK));
	splice_stops();
	recv_steps_over();
	nothing_behind();
	events();
	two_marks();
	inline_byte();
	announced();
	return tap_end();
}
