// SPDX-License-Identifier: Apache-2.0
/*
 * Asks by FIONREAD how much can be read from a socket, all the time, at both
 * ends of a connection that carries requests, answers, uploads and downloads.
 *
 * asker NETNS PORT HOST_PORT ROUNDS
 *
 * A server in the network namespace NETNS listens on 127.0.0.1:PORT, a client
 * here connects to 127.0.0.1:HOST_PORT. Each round is a request with a body,
 * and an answer, mostly small, some of 300 kB, of 2 MB and of 20 MB. Both sockets are
 * non-blocking. At each end a second thread peeks and asks in a loop, while the
 * first one reads nothing: what could be peeked at before must be contained in
 * the answer. Prints "END ASKED WRONG" for each end; fails when a byte is wrong,
 * or when nothing happens for PATIENCE times 20 s.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/patience.h"

#define PIECE 65536
#define CYCLE 251
#define BULK 20000000

struct end {
	const char *name;
	int fd;
	bool is_over;
	pthread_mutex_t lock; /* of what reads, or peeks and asks */
	uint64_t asked, wrong; /* with unread bytes */
	uint64_t sent, got;   /* positions in the pattern */
};

struct request {
	uint32_t up, down; /* bytes that follow, and of the answer */
};

static unsigned char pattern[CYCLE + PIECE];

static void wait_for(struct end *e, short events)
{
	struct pollfd p = { .fd = e->fd, .events = events };

	if (poll(&p, 1, (int)(20000 * patience())) <= 0)
		errx(1, "%s: nothing happens", e->name);
}

/* Under the lock: nothing is read meanwhile, so what is there can only become more. */
static void ask(struct end *e)
{
	unsigned char peeked[512];
	ssize_t n = recv(e->fd, peeked, sizeof(peeked), MSG_PEEK | MSG_DONTWAIT);
	int unread = -1;

	if (n <= 0)
		return;
	if (ioctl(e->fd, FIONREAD, &unread) < 0)
		err(1, "FIONREAD");
	e->asked++;
	if (unread < n)
		e->wrong++;
}

static void *ask_on(void *argument)
{
	struct end *e = argument;

	while (!__atomic_load_n(&e->is_over, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&e->lock);
		ask(e);
		pthread_mutex_unlock(&e->lock);
		sched_yield();
	}
	return NULL;
}

static void put(struct end *e, size_t n, const void *data)
{
	while (n) {
		const void *from = data ? data : pattern + e->sent % CYCLE;
		ssize_t w = send(e->fd, from, n < PIECE ? n : PIECE, MSG_NOSIGNAL);

		if (w < 0 && errno == EAGAIN)
			wait_for(e, POLLOUT);
		else if (w <= 0)
			err(1, "%s: send", e->name);
		else if (data)
			data = (const char *)data + w;
		else
			e->sent += (uint64_t)w;
		n -= w > 0 ? (size_t)w : 0;
	}
}

static ssize_t get_some(struct end *e, void *to, size_t n)
{
	ssize_t r;

	pthread_mutex_lock(&e->lock);
	ask(e);
	r = recv(e->fd, to, n, 0);
	ask(e); /* as nginx does */
	pthread_mutex_unlock(&e->lock);
	return r;
}

/* @to NULL: the pattern has to come. */
static void get(struct end *e, size_t n, void *to)
{
	unsigned char piece[PIECE];

	while (n) {
		ssize_t r = get_some(e, to ? to : piece, n < PIECE ? n : PIECE);

		if (r < 0 && errno == EAGAIN) {
			wait_for(e, POLLIN);
			continue;
		}
		if (r <= 0)
			errx(1, "%s: the connection has ended", e->name);
		if (to)
			to = (char *)to + r;
		else if (memcmp(piece, pattern + e->got % CYCLE, (size_t)r) != 0)
			errx(1, "%s: a byte is wrong", e->name);
		else
			e->got += (uint64_t)r;
		n -= (size_t)r;
	}
}

static void serve(struct end *e, unsigned long rounds)
{
	struct request request;

	while (rounds--) {
		get(e, sizeof(request), &request);
		get(e, request.up, NULL);
		put(e, request.down, NULL);
	}
}

static uint32_t some_size(unsigned int *seed)
{
	unsigned int kind = (unsigned int)rand_r(seed) % 400;
	uint32_t most = kind < 2 ? 2000000 : kind < 12 ? 300000 : 500;

	return (uint32_t)rand_r(seed) % most;
}

static void request(struct end *e, unsigned long rounds)
{
	unsigned int seed = 1;

	while (rounds--) {
		struct request request = { .up = some_size(&seed) };

		request.down = some_size(&seed);
		if (rounds % 500 == 100)
			request.up = BULK;
		if (rounds % 500 == 300)
			request.down = BULK;
		put(e, sizeof(request), &request);
		put(e, request.up, NULL);
		get(e, request.down, NULL);
	}
}

static void run(struct end *e, unsigned long rounds, void (*end)(struct end *, unsigned long))
{
	const int on = 1;
	pthread_t asking;

	setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pthread_mutex_init(&e->lock, NULL);
	fcntl(e->fd, F_SETFL, O_NONBLOCK);
	if (pthread_create(&asking, NULL, ask_on, e) != 0)
		errx(1, "no thread");
	end(e, rounds);
	__atomic_store_n(&e->is_over, true, __ATOMIC_RELAXED);
	pthread_join(asking, NULL);
	printf("%s %llu %llu\n", e->name, (unsigned long long)e->asked,
	       (unsigned long long)e->wrong);
}

static struct sockaddr_in at(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(port));
	return to;
}

static int listen_in(const char *netns, const char *port)
{
	int ns = open(netns, O_RDONLY | O_CLOEXEC), here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_in to = at(port);
	const int on = 1;
	int fd;

	if (ns < 0 || here < 0 || setns(ns, CLONE_NEWNET) < 0)
		err(1, "%s", netns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(fd, 1) < 0 ||
	    setns(here, CLONE_NEWNET) < 0)
		err(1, "cannot listen on port %s", port);
	return fd;
}

int main(int argc, char **argv)
{
	struct end server = { .name = "server" }, client = { .name = "client" };
	int listener, status = 0;
	unsigned long rounds;
	struct sockaddr_in to;
	pid_t pid;

	if (argc != 5)
		errx(2, "usage: asker NETNS PORT HOST_PORT ROUNDS");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % CYCLE);
	rounds = strtoul(argv[4], NULL, 10);
	listener = listen_in(argv[1], argv[2]);
	pid = fork();
	if (pid == 0) {
		server.fd = accept(listener, NULL, NULL);
		run(&server, rounds, serve);
		return 0;
	}
	close(listener);
	to = at(argv[3]);
	client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(client.fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "connect");
	run(&client, rounds, request);
	waitpid(pid, &status, 0);
	return status != 0;
}
