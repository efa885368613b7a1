/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of TCP sockets on loopback, and waits that end by a condition. */
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* not netinet/tcp.h: its struct tcp_info is short */
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel/tap.h"

#define WAIT_MS 10000

/* tcpi_state: include/net/tcp_states.h */
#define TCP_ESTABLISHED 1
#define TCP_CLOSE 7

static inline void set_option(int fd, int level, int option, int value)
{
	MUST(setsockopt(fd, level, option, &value, sizeof(value)));
}

static inline int get_option(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	MUST(getsockopt(fd, level, option, &value, &len));
	return value;
}

static inline void set_nonblock(int fd, bool on)
{
	int flags = (int)MUST(fcntl(fd, F_GETFL));

	MUST(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static inline struct sockaddr_in loopback(in_port_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = port,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
}

/* tcp_bind - a socket on 127.0.0.1 with a free port, which *ret has. */
static inline int tcp_bind(struct sockaddr_in *ret)
{
	int fd = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	socklen_t len = sizeof(*ret);

	*ret = loopback(0);
	MUST(bind(fd, (struct sockaddr *)ret, len));
	MUST(getsockname(fd, (struct sockaddr *)ret, &len));
	return fd;
}

static inline int tcp_connect(int fd, const struct sockaddr_in *to)
{
	return connect(fd, (const struct sockaddr *)to, sizeof(*to));
}

/*
 * tcp_pair_sized - two connected sockets: fds[0] was connected, fds[1]
 * accepted. Buffers of @size bytes (socket(7), SO_SNDBUF); 0: the kernel's.
 */
static inline void tcp_pair_sized(int fds[2], int size)
{
	struct sockaddr_in at;
	int listener = tcp_bind(&at);

	fds[0] = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (size) {
		set_option(listener, SOL_SOCKET, SO_RCVBUF, size);
		set_option(fds[0], SOL_SOCKET, SO_SNDBUF, size);
	}
	MUST(listen(listener, 1));
	MUST(tcp_connect(fds[0], &at));
	fds[1] = (int)MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	set_option(fds[0], IPPROTO_TCP, TCP_NODELAY, 1);
	close(listener);
}

static inline void tcp_pair(int fds[2])
{
	tcp_pair_sized(fds, 0);
}

static inline void close_pair(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static inline struct tcp_info tcp_info(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	MUST(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	return info;
}

/* wait_received - until the kernel has @bytes for @fd, read or not. */
static inline void wait_received(int fd, unsigned long bytes)
{
	WAIT_UNTIL(tcp_info(fd).tcpi_bytes_received >= bytes);
}

/* wait_reset - until @fd is closed by the other side's reset. */
static inline void wait_reset(int fd)
{
	WAIT_UNTIL(tcp_info(fd).tcpi_state == TCP_CLOSE);
}

/* Returns the POLL* bits, waiting for those of @events; 0: none in time. */
static inline short wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return MUST(poll(&p, 1, WAIT_MS)) ? p.revents : 0;
}

static inline short poll_now(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return MUST(poll(&p, 1, 0)) ? p.revents : 0;
}

/* watch - Returns an epoll descriptor that watches @fd. */
static inline int watch(int fd, uint32_t events)
{
	int epoll = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
	struct epoll_event ev = { .events = events, .data.fd = fd };

	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev));
	return epoll;
}

/* Returns the EPOLL* bits of the next event; 0: none came within @ms. */
static inline uint32_t next_event(int epoll, int ms)
{
	struct epoll_event ev;

	return MUST(epoll_wait(epoll, &ev, 1, ms)) ? ev.events : 0;
}

static inline void tap_events(uint32_t events)
{
	tap_diag("events:%s%s%s%s%s%s%s", events & EPOLLIN ? " IN" : "",
		 events & EPOLLOUT ? " OUT" : "", events & EPOLLPRI ? " PRI" : "",
		 events & EPOLLRDHUP ? " RDHUP" : "", events & EPOLLHUP ? " HUP" : "",
		 events & EPOLLERR ? " ERR" : "", events ? "" : " none");
}

/* tap_edge - the next event has to have exactly these bits. */
static inline void tap_edge(int epoll, uint32_t want, const char *what)
{
	uint32_t got = next_event(epoll, want ? WAIT_MS : 0);

	tap_ok(got == want, what);
	tap_events(got);
}
