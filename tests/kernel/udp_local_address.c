/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that is bound to every address learns which one a datagram was sent
 * to (ip(7), IP_PKTINFO; ipv6(7), IPV6_RECVPKTINFO), and replies from it. One
 * for both families tells of IPv4 by both, IP_PKTINFO coming last, and takes
 * IP_PKTINFO for an IPv4 reply.
 */
#include "kernel/datagram.h"

static char control[256] __attribute__((aligned(8)));
static struct sockaddr_storage from;
static char byte;
static struct iovec iov = { &byte, 1 };
static struct msghdr msg;

static void receive(int fd)
{
	msg = (struct msghdr){
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	wait_for(fd, POLLIN);
	MUST(recvmsg(fd, &msg, 0));
}

static void reply(int fd, int level, int type, const void *info, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)control;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), info, len);
	msg.msg_controllen = CMSG_SPACE(len);
	MUST(sendmsg(fd, &msg, 0));
}

/* A client of 127.0.0.9, which takes nothing from elsewhere. */
static void by_v4(int server, in_port_t port, const char *what)
{
	struct sockaddr_storage at = { 0 };
	struct sockaddr_in *to = (struct sockaddr_in *)&at;
	struct in_pktinfo info = { 0 }, *told;
	int client;

	*to = loopback(port);
	MUST(inet_pton(AF_INET, "127.0.0.9", &to->sin_addr));
	client = udp_connected(&at);
	MUST(send(client, "a", 1, 0));
	receive(server);
	told = control_of(&msg, IPPROTO_IP, IP_PKTINFO);
	tap_ok(told && told->ipi_spec_dst.s_addr == to->sin_addr.s_addr, what);
	info.ipi_spec_dst = to->sin_addr;
	reply(server, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	tap_is(wait_for(client, POLLIN), POLLIN, "the reply comes from there");
	close(client);
}

static void both_families(void)
{
	struct sockaddr_storage at;
	int fd = udp_bound(AF_INET6, "::", &at), client;
	struct in6_pktinfo info = { 0 }, *told;
	struct sockaddr_in6 *to = (struct sockaddr_in6 *)&at;
	struct sockaddr_in v4 = loopback(port_of(&at));
	struct cmsghdr *first;

	set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	by_v4(fd, port_of(&at), "a socket for both families: the address, from IPv4");

	client = (int)MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(sendto(client, "a", 1, 0, (struct sockaddr *)&v4, sizeof(v4)));
	receive(fd);
	first = CMSG_FIRSTHDR(&msg);
	told = control_of(&msg, IPPROTO_IPV6, IPV6_PKTINFO);
	tap_ok(told && IN6_IS_ADDR_V4MAPPED(&told->ipi6_addr), "it is told as a mapped one too");
	tap_ok(first && first->cmsg_level == IPPROTO_IPV6, "and that comes first");
	close(client);

	to->sin6_addr = in6addr_loopback;
	client = udp_connected(&at);
	MUST(send(client, "a", 1, 0));
	receive(fd);
	told = control_of(&msg, IPPROTO_IPV6, IPV6_PKTINFO);
	tap_ok(told && IN6_IS_ADDR_LOOPBACK(&told->ipi6_addr), "from IPv6");
	tap_ok(!control_of(&msg, IPPROTO_IP, IP_PKTINFO), "which has no IP_PKTINFO");
	info.ipi6_addr = in6addr_loopback;
	reply(fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	tap_is(wait_for(client, POLLIN), POLLIN, "the reply comes from there");
	close(client);
	close(fd);
}

int main(void)
{
	struct sockaddr_storage at;
	int fd;

	if (own_network() < 0)
		tap_skip_all("neither root nor user namespaces");
	fd = udp_bound(AF_INET, "0.0.0.0", &at);
	set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	by_v4(fd, port_of(&at), "an IPv4 socket learns the address that was sent to");
	close(fd);
	if (access("/proc/net/if_inet6", R_OK) == 0)
		both_families();
	return tap_end();
}
