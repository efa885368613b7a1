/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice(2) between a socket and a pipe says EAGAIN for two reasons, and
 * raises SIGPIPE that no flag prevents (send(2) has MSG_NOSIGNAL).
 */
#include <signal.h>

#include "kernel/socket.h"

#define ALL (1 << 20)

static int fds[2], pipe_fds[2];
static long page;
static char buffer[60000]; /* less than a new socket's receive window */

static long fill(void)
{
	return RC(splice(fds[1], NULL, pipe_fds[1], NULL, ALL, SPLICE_F_NONBLOCK));
}

static long drain(int to)
{
	return RC(splice(pipe_fds[0], NULL, to, NULL, ALL, SPLICE_F_NONBLOCK));
}

static int bytes_in(int fd)
{
	int n = 0;

	MUST(ioctl(fd, FIONREAD, &n));
	return n;
}

static void begin(void)
{
	tcp_pair(fds);
	set_nonblock(fds[0], true);
	set_nonblock(fds[1], true);
	MUST(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK));
}

static void end(void)
{
	close_pair(fds);
	close_pair(pipe_fds);
}

static void two_reasons(void)
{
	begin();
	tap_is(fill(), -EAGAIN, "EAGAIN: the socket is empty");
	tap_is(bytes_in(pipe_fds[0]), 0, "so is the pipe");

	tap_is(RC(fcntl(pipe_fds[1], F_SETPIPE_SZ, page)), page, "a pipe of one slot");
	MUST(send(fds[0], buffer, sizeof(buffer), 0));
	wait_received(fds[1], sizeof(buffer));
	tap_is(fill(), page, "takes one page in one call, however large the fragments");
	tap_is(fill(), -EAGAIN, "EAGAIN: the pipe has no slot left");
	tap_is(bytes_in(fds[1]), (long)sizeof(buffer) - page,
	       "although the socket is not empty");
	tap_is(read(pipe_fds[0], buffer, (size_t)page), page, "once the pipe is empty");
	tap_is(fill(), page, "it goes on");
	end();
}

/* do_splice_read in fs/splice.c: no more than the free slots times a page. */
static void size_of_a_call(void)
{
	begin();
	MUST(send(fds[0], buffer, sizeof(buffer), 0));
	wait_received(fds[1], sizeof(buffer));
	tap_is(RC(fcntl(pipe_fds[1], F_SETPIPE_SZ, 8 * page)), 8 * page,
	       "a pipe of 8 slots");
	tap_is(fill(), 8 * page, "takes 8 pages in one call");
	end();
}

static void target_full(void)
{
	long n, sum = 0;

	begin();
	/* until both buffers are full and nothing is under way that makes room */
	WAIT_UNTIL(RC(send(fds[0], buffer, sizeof(buffer), 0)) == -EAGAIN &&
		   tcp_info(fds[0]).tcpi_unacked == 0 &&
		   RC(send(fds[0], buffer, sizeof(buffer), 0)) == -EAGAIN);
	MUST(write(pipe_fds[1], buffer, 1000));
	tap_is(drain(fds[0]), -EAGAIN, "splice to a socket that is full: EAGAIN");
	tap_is(bytes_in(pipe_fds[0]), 1000, "and the bytes stay in the pipe");
	while (drain(fds[0]) == -EAGAIN) {
		n = RC(recv(fds[1], buffer, sizeof(buffer), 0));
		sum += n > 0 ? n : 0;
	}
	tap_ok(sum > 0, "they go once the reader has read");
	tap_is(bytes_in(pipe_fds[0]), 0, "and the pipe is empty");
	end();
}

static volatile sig_atomic_t signals;

static void count(int number)
{
	signals++;
}

static void broken_pipe(void)
{
	begin();
	MUST(shutdown(fds[0], SHUT_WR));
	MUST(write(pipe_fds[1], "abc", 3));
	signal(SIGPIPE, count);
	tap_is(drain(fds[0]), -EPIPE, "splice after shutdown(SHUT_WR): EPIPE");
	tap_is(signals, 1, "and SIGPIPE");
	tap_is(RC(send(fds[0], "a", 1, MSG_NOSIGNAL)), -EPIPE,
	       "send(MSG_NOSIGNAL): EPIPE");
	tap_is(signals, 1, "without SIGPIPE");
	signal(SIGPIPE, SIG_IGN);
	tap_is(drain(fds[0]), -EPIPE, "splice while SIGPIPE is ignored: EPIPE");
	tap_is(bytes_in(pipe_fds[0]), 3, "the bytes are still in the pipe");
	end();
}

int main(void)
{
	page = sysconf(_SC_PAGESIZE);
	two_reasons();
	size_of_a_call();
	target_full();
	broken_pipe();
	return tap_end();
}
