/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll watches open files, not descriptors: epoll(7), questions and
 * answers 6. A closed descriptor whose file lives on in another process goes
 * on to give events, and nothing can take it out any more. So a socket from
 * the netns child must not be used before that has closed its own copy, and
 * only then may it be closed without EPOLL_CTL_DEL.
 */
#include <sys/wait.h>

#include "kernel/socket.h"

static int fds[2], epoll;

static void send_byte(void)
{
	MUST(send(fds[0], "x", 1, 0));
	WAIT_UNTIL(poll_now(epoll, POLLIN) || poll_now(fds[0], POLLHUP | POLLERR));
}

static void alone(void)
{
	tcp_pair(fds);
	epoll = watch(fds[1], EPOLLIN | EPOLLET);
	close(fds[1]);
	WAIT_UNTIL(poll_now(fds[0], POLLRDHUP));
	tap_edge(epoll, 0, "the last descriptor is closed: no event");
	tap_is(RC(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[1], NULL)), -EBADF,
	       "the closed descriptor cannot be named");
	close(epoll);
	close(fds[0]);
}

/* Returns a process that has copies and ends at the end of file of *ret_fd. */
static pid_t copy_to_process(int *ret_fd)
{
	int pipe_fds[2];
	char byte;
	pid_t pid;

	MUST(pipe2(pipe_fds, O_CLOEXEC));
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		close(pipe_fds[1]);
		/* the watching epoll has a copy here as well: close it */
		close(epoll);
		_exit(read(pipe_fds[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(pipe_fds[0]);
	*ret_fd = pipe_fds[1];
	return pid;
}

static void copied(void)
{
	pid_t pid;
	int fd;

	tcp_pair(fds);
	epoll = watch(fds[1], EPOLLIN | EPOLLET);
	pid = copy_to_process(&fd);
	close(fds[1]);
	send_byte();
	tap_edge(epoll, EPOLLIN, "closed, but open in another process: still an event");
	tap_is(RC(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[1], NULL)), -EBADF,
	       "the closed descriptor cannot be taken out");
	tap_is(poll_now(fds[0], POLLRDHUP), 0, "and the peer saw no end");
	send_byte();
	close(fd);
	MUST(waitpid(pid, NULL, 0));
	tap_edge(epoll, 0,
		 "the other process closed it: gone, with the event that was due");
	close(epoll);
	close(fds[0]);
}

static void removed_first(void)
{
	pid_t pid;
	int fd;

	tcp_pair(fds);
	epoll = watch(fds[1], EPOLLIN | EPOLLET);
	pid = copy_to_process(&fd);
	MUST(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[1], NULL));
	close(fds[1]);
	MUST(send(fds[0], "x", 1, 0));
	WAIT_UNTIL(tcp_info(fds[0]).tcpi_bytes_acked >= 1);
	tap_edge(epoll, 0, "EPOLL_CTL_DEL before close: no event, copy or not");
	close(fd);
	MUST(waitpid(pid, NULL, 0));
	close(epoll);
	close(fds[0]);
}

int main(void)
{
	alone();
	copied();
	removed_first();
	return tap_end();
}
