/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connected socket learns of a closed port (udp(7)): the error of one
 * datagram is told once, in place of the next call, which then does nothing;
 * so the same call is made again. An epoll event of it is over when it is told.
 */
#include "kernel/datagram.h"

static long send_many(int fd, int n)
{
	static struct iovec iov = { "abc", 3 };
	struct mmsghdr out[4] = { 0 };

	for (int i = 0; i < n; i++) {
		out[i].msg_hdr.msg_iov = &iov;
		out[i].msg_hdr.msg_iovlen = 1;
	}
	return RC(sendmmsg(fd, out, (unsigned int)n, 0));
}

static long receive_many(int fd)
{
	static char buf[2][16];
	static struct iovec iov[2] = { { buf[0], 16 }, { buf[1], 16 } };
	struct mmsghdr in[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		in[i].msg_hdr.msg_iov = &iov[i];
		in[i].msg_hdr.msg_iovlen = 1;
	}
	return RC(recvmmsg(fd, in, 2, MSG_DONTWAIT, NULL));
}

int main(void)
{
	struct sockaddr_storage at;
	int server, fd, epoll;
	char buf[16];

	if (own_network() < 0)
		tap_skip_all("neither root nor user namespaces");
	server = udp_bound(AF_INET, "127.0.0.1", &at);
	fd = udp_connected(&at);
	epoll = watch(fd, EPOLLIN);
	close(server);

	/* the answer may take a while, where the softirq is put off to its thread */
	tap_is(RC(send(fd, "a", 1, 0)), 1, "to a closed port: it is sent");
	wait_for(fd, POLLERR);
	tap_is(RC(send(fd, "b", 1, 0)), -ECONNREFUSED, "the next call is told");
	tap_is(RC(send(fd, "c", 1, 0)), 1, "and the one after it sends");
	tap_ok(next_event(epoll, WAIT_MS) & EPOLLERR, "epoll tells of the error of that");
	tap_is(receive_many(fd), -ECONNREFUSED, "recvmmsg() takes it");
	tap_edge(epoll, 0, "then there is no event");
	tap_is(receive_many(fd), -EAGAIN, "and nothing to read");

	tap_is(RC(send(fd, "d", 1, 0)), 1, "one more is refused");
	wait_for(fd, POLLERR);
	server = (int)MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	MUST(bind(server, (struct sockaddr *)&at, sizeof(struct sockaddr_in)));
	tap_is(send_many(fd, 3), -ECONNREFUSED, "the port is open again: sendmmsg() is told");
	tap_is(RC(recv(server, buf, sizeof(buf), 0)), -EAGAIN, "and has sent none");
	tap_is(send_many(fd, 3), 3, "again: all are sent");
	for (int i = 0; i < 3; i++) {
		wait_for(server, POLLIN);
		tap_is(RC(recv(server, buf, sizeof(buf), 0)), 3, "and arrive");
	}
	tap_is(RC(recv(server, buf, sizeof(buf), 0)), -EAGAIN, "once");
	return tap_end();
}
