/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP socket that is connected to an address and port 0 hears every port of that address and
 * no other address, is told of closed ports, and sends where it is told to. Connected again to
 * a port of its own it keeps its own port, and hears that port alone.
 */
#include "kernel/datagram.h"

static socklen_t length(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static long send_to(int fd, const struct sockaddr_storage *to)
{
	return RC(sendto(fd, "a", 1, 0, (const struct sockaddr *)to, length(to)));
}

static long receive(int fd, in_port_t *from)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	char buf[16];
	long n = RC(recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&ss, &len));

	*from = port_of(&ss);
	return n;
}

static void any_port(int family, const char *addr, const char *other_addr)
{
	struct sockaddr_storage at, other_at, elsewhere_at, any, own = { 0 }, still = { 0 };
	int server = udp_bound(family, addr, &at), other = udp_bound(family, addr, &other_at);
	int elsewhere = other_addr ? udp_bound(family, other_addr, &elsewhere_at) : -1, fd;
	socklen_t len = sizeof(own);
	in_port_t from;

	any = at;
	((struct sockaddr_in *)&any)->sin_port = 0;
	fd = udp_connected(&any);
	MUST(getsockname(fd, (struct sockaddr *)&own, &len));
	tap_ok(port_of(&own), "it has a port of its own");

	tap_is(send_to(fd, &at), 1, "it sends to a port that it names");
	wait_for(server, POLLIN);
	receive(server, &from);
	tap_is(from, port_of(&own), "from its own port");

	if (other_addr) {
		/* from another address, bound to the same interface: it would be heard first */
		tap_is(send_to(elsewhere, &own), 1, "another address sends to it");
	}
	tap_is(send_to(other, &own), 1, "another port of the address sends to it");
	wait_for(fd, POLLIN);
	tap_is(receive(fd, &from), 1, "it hears");
	tap_is(from, port_of(&other_at), "that port, and not the other address");
	tap_is(receive(fd, &from), -EAGAIN, "and nothing else");

	close(server);
	tap_is(send_to(fd, &at), 1, "it sends to a closed port");
	wait_for(fd, POLLERR);
	tap_is(receive(fd, &from), -ECONNREFUSED, "and is told");

	MUST(connect(fd, (struct sockaddr *)&other_at, length(&other_at)));
	len = sizeof(still);
	MUST(getsockname(fd, (struct sockaddr *)&still, &len));
	tap_is(port_of(&still), port_of(&own), "connected to a port it keeps its own");
	server = (int)MUST(socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	MUST(bind(server, (struct sockaddr *)&at, length(&at)));
	tap_is(send_to(server, &own), 1, "the other one sends to it");
	tap_is(send_to(other, &own), 1, "its own does, too");
	wait_for(fd, POLLIN);
	receive(fd, &from);
	tap_is(from, port_of(&other_at), "it hears its own port");
	tap_is(receive(fd, &from), -EAGAIN, "alone");

	MUST(connect(fd, (struct sockaddr *)&any, length(&any)));
	tap_is(send_to(server, &own), 1, "connected to port 0 again");
	wait_for(fd, POLLIN);
	tap_is(receive(fd, &from), 1, "it hears all of them again");
	close(fd);
	close(server);
	close(other);
	close(elsewhere);
}

int main(void)
{
	if (own_network() < 0)
		tap_skip_all("neither root nor user namespaces");
	any_port(AF_INET, "127.0.0.1", "127.0.0.2");
	any_port(AF_INET6, "::1", NULL);
	return tap_end();
}
