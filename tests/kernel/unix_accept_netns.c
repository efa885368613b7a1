/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What accept(2) returns for a unix socket is of the network namespace in which the client's
 * socket was made, not of the listener's: so the control socket of `run` knows COMMAND, however
 * short COMMAND's process lived.
 */
#include <sys/un.h>

#include "kernel/process.h"
#include "kernel/socket.h"

static uint64_t netns_of(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	MUST(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len));
	return cookie;
}

static int connect_to(const struct sockaddr_un *at, socklen_t len)
{
	int fd = (int)MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	MUST(connect(fd, (const struct sockaddr *)at, len));
	return fd;
}

int main(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener, client, accepted, of_here;
	socklen_t len = sizeof(at);
	uint64_t there;

	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/pstest-accept-%d", getpid());
	listener = (int)MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(listener, (struct sockaddr *)&at, len));
	MUST(listen(listener, 2));
	client = connect_to(&at, len);
	of_here = (int)MUST(accept(listener, NULL, NULL));
	close(client);
	if (own_network() < 0) {
		unlink(at.sun_path);
		tap_skip_all("neither root nor user namespaces");
	}
	tap_ok(netns_of(of_here) == netns_of(listener), "a client of the listener's namespace");
	client = connect_to(&at, len);
	there = netns_of(client);
	close(client);
	accepted = (int)MUST(accept(listener, NULL, NULL));
	tap_ok(there != netns_of(listener), "one of another namespace");
	tap_ok(netns_of(accepted) == there, "is known by it, also after it has closed its socket");
	close(of_here);
	close(accepted);
	close(listener);
	unlink(at.sun_path);
	return tap_end();
}
