/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recv(2) that returns less than it was asked for has emptied the queue,
 * and EPOLLET tells of whatever comes after it (epoll(7), questions and
 * answers 9): no second recv is needed to see EAGAIN. It may also be short
 * of an urgent mark or of the end; for these an edge has to come as well, or
 * to have come.
 */
#include <sys/wait.h>

#include "kernel/socket.h"

#define EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

static int fds[2], epoll;
static unsigned long sent;
static char buffer[64 * 1024];

static void begin(void)
{
	tcp_pair(fds);
	set_nonblock(fds[1], true);
	epoll = watch(fds[1], EVENTS);
	sent = 0;
}

static void end(void)
{
	close(epoll);
	close_pair(fds);
}

static void send_bytes(const char *text, int flags)
{
	sent += (unsigned long)MUST(send(fds[0], text, strlen(text), flags));
	wait_received(fds[1], sent);
}

static long take(void)
{
	return RC(recv(fds[1], buffer, sizeof(buffer), 0));
}

static void data(void)
{
	begin();
	send_bytes("abc", 0);
	tap_edge(epoll, EPOLLIN, "the first bytes");
	tap_edge(epoll, 0, "are told once");
	tap_is(take(), 3, "a short recv");
	send_bytes("def", 0);
	tap_edge(epoll, EPOLLIN, "later bytes are a new edge");
	send_bytes("ghi", 0);
	tap_is(take(), 6, "bytes after epoll_wait, before recv");
	tap_edge(epoll, 0, "are no event, since recv took them");
	send_bytes("jkl", 0);
	tap_edge(epoll, EPOLLIN, "bytes");
	send_bytes("mno", 0);
	tap_edge(epoll, EPOLLIN, "more bytes, without any recv, are an edge, too");
	end();
}

static void mark(void)
{
	begin();
	send_bytes("abc", 0);
	tap_edge(epoll, EPOLLIN, "bytes");
	send_bytes("U", MSG_OOB);
	tap_is(take(), 3, "a mark after epoll_wait: recv is short of it");
	tap_edge(epoll, EPOLLPRI, "the mark is an edge, without EPOLLIN");
	end();

	begin();
	send_bytes("abc", 0);
	tap_edge(epoll, EPOLLIN, "bytes");
	send_bytes("U", MSG_OOB);
	send_bytes("xyz", 0);
	tap_is(take(), 3, "a mark and bytes behind it: recv is short of them");
	tap_edge(epoll, EPOLLIN | EPOLLPRI, "both are an edge");
	end();
}

static void fin(void)
{
	begin();
	send_bytes("abc", 0);
	tap_edge(epoll, EPOLLIN, "bytes");
	MUST(shutdown(fds[0], SHUT_WR));
	wait_received(fds[1], sent + 1);
	tap_is(take(), 3, "a FIN after epoll_wait: recv is short of the end");
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP, "the end is an edge");
	tap_is(take(), 0, "recv has it");
	end();

	begin();
	send_bytes("abc", 0);
	MUST(shutdown(fds[0], SHUT_WR));
	wait_received(fds[1], sent + 1);
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP,
		 "bytes and a FIN before epoll_wait: one edge");
	tap_is(take(), 3, "recv is short of the end");
	tap_edge(epoll, 0, "and no edge will come: EPOLLRDHUP has to be remembered");
	end();
}

static void reset(void)
{
	struct linger linger = { .l_onoff = 1 };

	begin();
	send_bytes("abc", 0);
	tap_edge(epoll, EPOLLIN, "bytes");
	tap_is(take(), 3, "a short recv");
	MUST(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fds[0]);
	wait_reset(fds[1]);
	tap_edge(epoll, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR, "a reset is an edge");
	tap_is(take(), -ECONNRESET, "recv has it");
	end();
}

static void write_messages(int fd, unsigned long total, size_t longest)
{
	static char message[64 * 1024];
	unsigned int seed = 1;

	for (unsigned long n = 0; n < total;) {
		size_t len = (size_t)rand_r(&seed) % longest + 1;

		if (len > total - n)
			len = total - n;
		n += (unsigned long)MUST(send(fd, message, len, 0));
	}
}

/* A reader of @size bytes that trusts short reads, a writer at full speed. */
static void endurance(unsigned long total, size_t size, size_t longest)
{
	unsigned long got = 0, edges = 0;
	ssize_t n;
	pid_t pid;

	begin();
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		write_messages(fds[0], total, longest);
		_exit(0);
	}
	while (got < total && next_event(epoll, WAIT_MS)) {
		edges++;
		do {
			n = recv(fds[1], buffer, size, 0);
			got += n > 0 ? (unsigned long)n : 0;
		} while (n == (ssize_t)size);
	}
	tap_is((long)got, (long)total,
	       "everything arrives where a short read ends the turn");
	tap_diag("%lu edges, reads of %zu, writes of up to %zu", edges, size, longest);
	end();
	MUST(waitpid(pid, NULL, 0));
}

int main(void)
{
	data();
	mark();
	fin();
	reset();
	endurance(16 << 20, 128, 200);
	endurance(64 << 20, 4096, 8192);
	endurance(64 << 20, sizeof(buffer), 3000);
	return tap_end();
}
