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
#define MOST (N * 9 / 10)

/*
 * When the softirq is put off to its thread, the answer comes after the call,
 * and a busy processor puts it off for all of a round. One round of most is
 * proof enough: a kernel that works the backlog off later does so in every round.
 */
#define ROUNDS 10

static struct sockaddr_in at;

static int new_socket(void)
{
	return (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

struct round {
	int in_progress, established, again;
};

static struct round accepted_round(int listener)
{
	struct round r = { 0 };

	for (int i = 0; i < N; i++) {
		int fd = new_socket(), peer;

		r.in_progress += RC(tcp_connect(fd, &at)) == -EINPROGRESS;
		r.established += tcp_info(fd).tcpi_state == TCP_ESTABLISHED;
		r.again += RC(tcp_connect(fd, &at)) == 0;
		peer = (int)MUST(accept(listener, NULL, NULL));
		close(fd);
		close(peer);
	}
	return r;
}

static void accepted(int listener)
{
	int rounds = 0, in_progress = 0;
	struct round r;

	do {
		r = accepted_round(listener);
		in_progress += r.in_progress;
	} while (++rounds < ROUNDS && (r.established <= MOST || r.again <= MOST));
	tap_is(in_progress, rounds * N, "connect to a listener: EINPROGRESS");
	tap_ok(r.established > MOST, "the connection is established when it returns");
	tap_diag("%d of %d, round %d", r.established, N, rounds);
	tap_ok(r.again > MOST, "a second connect returns 0");
	tap_diag("%d of %d, round %d", r.again, N, rounds);
}

static struct round refused_round(void)
{
	struct round r = { 0 };

	for (int i = 0; i < N; i++) {
		int fd = new_socket();

		r.in_progress += RC(tcp_connect(fd, &at)) == -EINPROGRESS;
		r.again += RC(tcp_connect(fd, &at)) == -ECONNREFUSED;
		close(fd);
	}
	return r;
}

static void refused(void)
{
	int rounds = 0, in_progress = 0;
	struct round r;

	do {
		r = refused_round();
		in_progress += r.in_progress;
	} while (++rounds < ROUNDS && r.again <= MOST);
	tap_is(in_progress, rounds * N, "connect to a closed port: EINPROGRESS");
	tap_ok(r.again > MOST, "a second connect says ECONNREFUSED");
	tap_diag("%d of %d, round %d", r.again, N, rounds);
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
