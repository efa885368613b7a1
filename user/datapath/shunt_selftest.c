/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel makes of a captured socket, tried out before any client's. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "datapath/shunt.h"

/* On loopback it is there at once; a machine that is stopped is waited for. */
#define WAIT_MS 1000

struct loopback_pair {
	int connected, accepted;
};

static void close_loopback_pair(struct loopback_pair *p)
{
	cleanup_closep(&p->connected);
	cleanup_closep(&p->accepted);
}

static int open_loopback_pair(struct loopback_pair *p)
{
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		return -errno;
	p->connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->connected < 0 || connect(p->connected, (struct sockaddr *)&at, len) < 0)
		return -errno;
	p->accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return p->accepted < 0 ? -errno : 0;
}

static int fionread_of(int fd, int peer)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int waiting = 0;

	if (send(peer, "12345", 5, MSG_NOSIGNAL) != 5)
		return -errno;
	if (poll(&pfd, 1, WAIT_MS) != 1)
		return -ETIMEDOUT;
	if (ioctl(fd, FIONREAD, &waiting) < 0)
		return -errno;
	return waiting;
}

int shunt_keeps_fionread(struct shunt *s)
{
	_cleanup_(close_loopback_pair) struct loopback_pair client = { -1, -1 };
	_cleanup_(close_loopback_pair) struct loopback_pair server = { -1, -1 };
	struct shunt_tools tools = shunt_tools(s);
	struct shunt_pair pair = { 0 };
	int r;

	r = open_loopback_pair(&client);
	if (r >= 0)
		r = open_loopback_pair(&server);
	if (r >= 0)
		r = shunt_pair_open(s, &pair, client.accepted, server.connected);
	if (r < 0)
		return r;
	r = shunt_capture(&tools, pair.down_slot, pair.down_id);
	if (r == SHUNT_CAPTURED)
		r = fionread_of(server.accepted, server.connected) == 5;
	else if (r > 0)
		r = -EOPNOTSUPP;
	shunt_pair_close(s, &pair);
	return r;
}
