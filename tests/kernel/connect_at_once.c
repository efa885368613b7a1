/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A non-blocking connect(2) on loopback returns EINPROGRESS like any other,
 * since the answer to the SYN finds the socket locked and waits in its
 * backlog; but that is worked off before the call returns, so the handshake
 * is over by then. A second connect(2) tells how it went.
 */
#include "kernel/process.h"
#include "kernel/socket.h"

#define N 200

static struct sockaddr_in at;

static int new_socket(void)
{
	return (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static void accepted(int listener)
{
	int in_progress = 0, established = 0, again = 0;

	for (int i = 0; i < N; i++) {
		int fd = new_socket(), peer;

		in_progress += RC(tcp_connect(fd, &at)) == -EINPROGRESS;
		established += tcp_info(fd).tcpi_state == TCP_ESTABLISHED;
		again += RC(tcp_connect(fd, &at)) == 0;
		peer = (int)MUST(accept(listener, NULL, NULL));
		close(fd);
		close(peer);
	}
	tap_is(in_progress, N, "connect to a listener: EINPROGRESS");
	/* when the softirq is put off to its thread, it is not over yet */
	tap_ok(established > N * 9 / 10, "the connection is established when it returns");
	tap_diag("%d of %d", established, N);
	tap_ok(again > N * 9 / 10, "a second connect returns 0");
	tap_diag("%d of %d", again, N);
}

static void refused(void)
{
	int in_progress = 0, at_once = 0;

	for (int i = 0; i < N; i++) {
		int fd = new_socket();

		in_progress += RC(tcp_connect(fd, &at)) == -EINPROGRESS;
		at_once += RC(tcp_connect(fd, &at)) == -ECONNREFUSED;
		close(fd);
	}
	tap_is(in_progress, N, "connect to a closed port: EINPROGRESS");
	tap_ok(at_once > N * 9 / 10, "a second connect says ECONNREFUSED");
	tap_diag("%d of %d", at_once, N);
}

/* What is told of a socket that is watched later than connected, or earlier. */
static void events(int listener)
{
	int fd = new_socket(), epoll;

	tcp_connect(fd, &at);
	wait_for(fd, POLLOUT);
	epoll = watch(fd, EPOLLOUT | EPOLLET);
	tap_edge(epoll, EPOLLOUT, "watched later, the connection is told of");
	close(epoll);
	close(fd);
	close((int)MUST(accept(listener, NULL, NULL)));

	fd = new_socket();
	epoll = watch(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
	tap_edge(epoll, EPOLLHUP, "a socket that never was connected counts as hung up");
	close(epoll);
	close(fd);
}

int main(void)
{
	int listener;

	own_network();
	listener = tcp_bind(&at);
	MUST(listen(listener, N));
	accepted(listener);
	events(listener);
	close(listener);
	refused();
	return tap_end();
}
