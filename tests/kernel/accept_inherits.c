/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a listening socket that every accepted socket has as well, so
 * that accepting costs no setsockopt(2); tcp(7) promises it for none of them.
 */
#include "kernel/socket.h"

static const struct {
	const char *name;
	int level, option, value;
} options[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1 },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1 },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 15 },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 15 },
};

#define N (sizeof(options) / sizeof(*options))

int main(void)
{
	struct sockaddr_in at;
	int listener = tcp_bind(&at), client, accepted;
	char what[100];

	for (size_t i = 0; i < N; i++) {
		tap_ok(get_option(listener, options[i].level, options[i].option) !=
			       options[i].value,
		       "the default is another value");
		set_option(listener, options[i].level, options[i].option,
			   options[i].value);
	}
	set_nonblock(listener, true);
	MUST(listen(listener, 1));
	client = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(tcp_connect(client, &at));
	wait_for(listener, POLLIN);
	accepted = (int)MUST(accept4(listener, NULL, NULL, 0));
	for (size_t i = 0; i < N; i++) {
		snprintf(what, sizeof(what), "%s is inherited", options[i].name);
		tap_is(get_option(accepted, options[i].level, options[i].option),
		       options[i].value, what);
	}
	tap_ok(!((int)MUST(fcntl(accepted, F_GETFL)) & O_NONBLOCK),
	       "O_NONBLOCK is not: accept4(2) has to be told");
	tap_ok(!((int)MUST(fcntl(accepted, F_GETFD)) & FD_CLOEXEC), "nor is FD_CLOEXEC");
	close(accepted);
	close(client);
	close(listener);
	return tap_end();
}
