/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forwarder in this process, on splice, whose sockets "of the container" are made here, too
 * (forwarder/alone.h); with it a server and clients over loopback. Nothing waits but for events.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/tcp.h"
#include "base/timer.h"
#include "forwarder/forwarder.h"

static struct forwarder f;
static int world_server; /* listens, and is not accepted on by itself */
static uint16_t world_port; /* of the server */

/* Run the loop until @condition. */
#define UNTIL(condition)                                                                  \
	do {                                                                              \
		uint64_t end = timer_now() + 10000;                                       \
		while (!(condition)) {                                                    \
			if (timer_now() >= end)                                           \
				fail_msg("in vain waited for: %s", #condition);           \
			assert_int_equal(loop_turn(&f.loop, 5), 0);                       \
		}                                                                         \
	} while (0)

/* Whatever is due by now: as many turns as it takes that nothing is. */
static inline void turns(void)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_turn(&f.loop, 0), 0);
}

static inline unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* From here on no descriptor is to be had; returns the limit that was. */
static inline struct rlimit use_up_descriptors(void)
{
	int lowest = dup(STDERR_FILENO);
	struct rlimit was, few;

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = (rlim_t)lowest;
	setrlimit(RLIMIT_NOFILE, &few);
	return was;
}

static inline int world_make(bool udp, sa_family_t family)
{
	int fd = socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (!udp)
		tcp_set_options(fd);
	return fd;
}

/* A socket bound to 127.0.0.1, and its port. */
static inline int bound_socket(int type, uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&at, len), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&at, &len), errno);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static inline int obey(struct forwarder_request *request, struct forwarder_reply *reply, int *fds,
		       size_t n)
{
	struct forwarder_reply unused = { 0 };
	struct error err = { "" };

	return forwarder_obey(&f, request, reply ? reply : &unused, fds, n, &err);
}

/* Rule @id with one more port, which is returned, to @container_port of the container. */
static inline uint16_t listen_to(uint32_t id, bool udp, uint16_t container_port)
{
	struct forwarder_request request = {
		.type = FORWARDER_LISTEN,
		.listen = {
			.rule = id, .count = 1, .container_port = container_port, .udp = udp,
			.spec = { .container_port = container_port, .count = 1,
				  .protos = udp ? PROTO_UDP : PROTO_TCP },
		},
	};
	uint16_t port;
	int fd = bound_socket(udp ? SOCK_DGRAM : SOCK_STREAM, &port);

	if (!udp) {
		assert_int_equal(tcp_set_options(fd), 0);
		assert_return_code(listen(fd, 1000), errno);
	}
	request.listen.spec.host_port = port;
	assert_int_equal(obey(&request, NULL, &fd, 1), 0);
	return port;
}

static inline void start(bool paused)
{
	struct forwarder_request request = { .type = FORWARDER_START };

	addr_parse("127.0.0.1", &request.start.target4);
	request.start.is_paused = paused;
	assert_int_equal(obey(&request, NULL, NULL, 0), 0);
}

static inline void open_rule(uint32_t id, const struct limits *limits)
{
	struct forwarder_request request = { .type = FORWARDER_OPEN, .open.rule = id };

	if (limits)
		request.open.limits = *limits;
	assert_int_equal(obey(&request, NULL, NULL, 0), 0);
}

static inline int world_begin(void **state)
{
	const struct limits all = LIMITS_DEFAULT, each = RULE_LIMITS_DEFAULT;

	log_init(LOG_ERROR, false);
	f = (struct forwarder){ 0 };
	f.connector.make = world_make;
	assert_int_equal(forwarder_init(&f, -1), 0);
	f.choice.wanted = f.choice.datapath = DATAPATH_SPLICE;
	f.udp.limits = (struct udp_limits){ 30, 180 };
	gates_setup(&f, &all, &each);
	world_server = bound_socket(SOCK_STREAM, &world_port);
	assert_return_code(listen(world_server, 1000), errno);
	return 0;
}

static inline int world_end(void **state)
{
	forwarder_finish(&f);
	forwarder_done(&f);
	close(world_server);
	return 0;
}

/* A client that is connected to a listener, and does not block. */
static inline int client_new(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), errno);
	assert_int_equal(fd_set_nonblock(fd), 0);
	return fd;
}

/* The container's end of the next connection, or -1: there is none so far. */
static inline int accept_some(void)
{
	return accept4(world_server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static inline int accept_one_more(void)
{
	int fd;

	UNTIL((fd = accept_some()) >= 0);
	return fd;
}

static inline void reset(int fd)
{
	const struct linger linger = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes next is @text. */
static inline void hear(int fd, const char *text)
{
	char got[256];
	ssize_t n = -1;

	UNTIL((n = recv(fd, got, sizeof(got), MSG_DONTWAIT)) >= 0 || errno != EAGAIN);
	if (n < 0)
		fail_msg("%s instead of \"%s\"", strerror(errno), text);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, (size_t)n);
}

/* And then it ends: by a FIN. */
static inline void hear_end(int fd)
{
	char unused;
	ssize_t n = -1;

	UNTIL((n = recv(fd, &unused, 1, MSG_DONTWAIT)) >= 0 || errno != EAGAIN);
	assert_int_equal(n, 0);
}

static inline void hear_reset(int fd)
{
	char unused;

	UNTIL(recv(fd, &unused, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN);
	assert_int_equal(errno, ECONNRESET);
}

/* As much as the other end takes while it does not read, and the forwarder goes on. */
static inline size_t fill(int fd)
{
	static const char some[65536];
	size_t all = 0;
	ssize_t n;

	for (int idle = 0; idle < 3;) {
		n = send(fd, some, sizeof(some), MSG_DONTWAIT | MSG_NOSIGNAL);
		turns();
		all += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
	}
	return all;
}

/* Everything until the end; how much that was. */
static inline size_t drain(int fd)
{
	static char some[65536];
	size_t all = 0;
	ssize_t n;

	for (;;) {
		UNTIL((n = recv(fd, some, sizeof(some), MSG_DONTWAIT)) >= 0 || errno != EAGAIN);
		if (n <= 0)
			break;
		all += (size_t)n;
	}
	assert_int_equal(n, 0);
	return all;
}

/* One rule, whose port leads to the server; a client of it, and the server's end. */
static uint16_t port __attribute__((unused));
static int client __attribute__((unused)), server __attribute__((unused));

static inline int begin(void **state)
{
	world_begin(state);
	port = listen_to(1, false, world_port);
	start(false);
	return 0;
}

static inline void connect_both(void)
{
	client = client_new(port);
	server = accept_one_more();
	UNTIL(f.gates.all.half_open == 0);
}

static inline void close_both(void)
{
	close(client);
	close(server);
	UNTIL(f.pairs_open == 0);
}

/* Nobody listens at the rule's port. */
static inline void assert_refused(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
}
