/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/icmp_child.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/timer.h"
#include "forwarder/icmp_protocol.h"
#include "forwarder/udp_batch.h"
#include "forwarder/udp_listener.h"
#include "isolation/isolate.h"

struct raw_sockets {
	int v4_fd, v6_fd; /* less than 0: not permitted, or no such family */
};

/* Returns it or -errno. */
static int open_socket(int family, int protocol)
{
	_cleanup_close_ int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &nothing };
	int on = 1;

	/* others' ICMP is nothing for us */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* No fault: who may not, or has no such family, does without. */
static bool is_refused(int r)
{
	return r == -EPERM || r == -EACCES || r == -EAFNOSUPPORT || r == -EPROTONOSUPPORT;
}

static void refuse(const struct raw_sockets *raw, const struct icmp_refusal *r)
{
	/* of a raw socket the port is no port: 0 (raw(7)) */
	const struct udp_key key = { .client = r->client, .local = r->local, .scope = r->scope };
	bool v4 = IN6_IS_ADDR_V4MAPPED(&r->client);
	unsigned char packet[ICMP_PACKET_MAX];
	size_t len = icmp_refusal_packet(r, packet);
	struct udp_to to;

	udp_listener_to(v4 ? AF_INET : AF_INET6, &key, &to);
	udp_to_send(v4 ? raw->v4_fd : raw->v6_fd, &to, packet, len);
}

static void work(int fd, const void *context)
{
	/* one byte more than there are, as what is longer is cut short in silence */
	char data[sizeof(struct icmp_refusal) + 1];
	struct icmp_rate rate = { 0 };
	struct icmp_refusal r;
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0)
		if (icmp_refusal_decode(data, (size_t)n, &r) >= 0 &&
		    icmp_may_send(&rate, timer_now()))
			refuse(context, &r);
}

int icmp_child_start(struct child *c)
{
	static const struct isolation isolation = { .process = FILTER_ICMP, .name = "ICMP child" };
	_cleanup_close_ int v4_fd = open_socket(AF_INET, IPPROTO_ICMP);
	_cleanup_close_ int v6_fd = open_socket(AF_INET6, IPPROTO_ICMPV6);
	const struct raw_sockets raw = { v4_fd, v6_fd };
	const struct child_spec spec = {
		.isolation = &isolation,
		.work = work,
		.context = &raw,
		.keep = { v4_fd, v6_fd },
	};

	if (v4_fd < 0 && !is_refused(v4_fd))
		return v4_fd;
	if (v6_fd < 0 && !is_refused(v6_fd))
		return v6_fd;
	return v4_fd < 0 && v6_fd < 0 ? -EPERM : child_start(c, &spec);
}
