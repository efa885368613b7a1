/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket stays in the network namespace where it was made
 * (network_namespaces(7)), also when it was passed by SCM_RIGHTS and the
 * receiver connects it. So one helper inside is enough to connect there.
 */
#include "kernel/process.h"
#include "kernel/socket.h"

struct message {
	int error;	/* 0, or -errno of unshare(2) */
	in_port_t port; /* of a listener inside */
};

static void send_with_fd(int to, const struct message *m, int fd)
{
	struct iovec iov = { .iov_base = (void *)m, .iov_len = sizeof(*m) };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	MUST(sendmsg(to, &msg, MSG_NOSIGNAL));
}

static int receive_with_fd(int from, struct message *m)
{
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd = -1;

	MUST(recvmsg(from, &msg, MSG_CMSG_CLOEXEC) == sizeof(*m) ? 0 : -1);
	c = CMSG_FIRSTHDR(&msg);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void __attribute__((noreturn)) inside(int control)
{
	struct message m = { 0 };
	struct sockaddr_in at;
	int listener, peer;

	m.error = own_network();
	if (m.error) {
		send_with_fd(control, &m, control);
		_exit(0);
	}
	listener = tcp_bind(&at);
	MUST(listen(listener, 1));
	m.port = at.sin_port;
	send_with_fd(control, &m, (int)MUST(socket(AF_INET, SOCK_STREAM, 0)));
	peer = (int)MUST(accept(listener, NULL, NULL));
	MUST(send(peer, "inside", 6, 0));
	_exit(hear(control) == 'e' ? 0 : 1);
}

int main(void)
{
	struct sockaddr_in at = loopback(0);
	char text[10] = "";
	int control[2], fd, own;
	struct message m;
	pid_t pid;

	/* else somebody may listen out here on the port of the one inside */
	if (own_network() < 0)
		tap_skip_all("neither root nor user namespaces");
	channel(control);
	pid = child_fork();
	if (pid == 0)
		inside(control[1]);
	fd = receive_with_fd(control[0], &m);
	if (m.error)
		tap_skip_all("neither root nor user namespaces");

	/* the same port out here: nobody listens */
	at.sin_port = m.port;
	own = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	tap_is(RC(tcp_connect(own, &at)), -ECONNREFUSED,
	       "a socket of this namespace: refused");
	tap_is(RC(tcp_connect(fd, &at)), 0, "one of the other namespace is connected");
	tap_is(RC(recv(fd, text, sizeof(text) - 1, 0)), 6, "and reads");
	tap_ok(strcmp(text, "inside") == 0, "what was written there");
	say(control[0], 'e');
	tap_is(child_status(pid), 0, "the process inside ends");
	tap_is(RC(recv(fd, text, 1, 0)), 0, "the socket has the end of file of its peer");
	tap_is(RC(send(fd, "a", 1, MSG_NOSIGNAL)), 1,
	       "it keeps the namespace, in which no process is any more");
	close(own);
	close(fd);
	return tap_end();
}
