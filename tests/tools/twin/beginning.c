/* SPDX-License-Identifier: Apache-2.0 */
/* Who speaks first, and ends that come before the beginning. */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "end.h"

/* Then all goes on as in any other case. */
static void goes_on(struct end *e)
{
	end_warm_up(e);
	if (e->subject) {
		send_stream(e, 1 << 20, 100000, send_plainly);
		shutdown(e->fd, SHUT_WR);
	} else {
		recv_stream(e, 1 << 20);
	}
	ended(e);
}

static void client_speaks(struct end *e)
{
	char data[1000] = { 0 };

	end_connect(e);
	say(e, "put: %s", res(put(e, data, sizeof(data))));
	tell(e);
	heed(e);
	goes_on(e);
}

static void server_hears(struct end *e)
{
	char data[1000];

	heed(e);
	end_accept(e);
	say(e, "recv: %s", res(get_full(e, data, sizeof(data))));
	tell(e);
	goes_on(e);
}

static void server_speaks(struct end *e)
{
	end_accept(e);
	say(e, "put: %s", res(put(e, "220 hello", 9)));
	heed(e);
	goes_on(e);
}

static void client_hears(struct end *e)
{
	char text[10] = "";

	end_connect(e);
	say(e, "recv: %s %s", res(get_full(e, text, 9)), text);
	tell(e);
	goes_on(e);
}

/* All that the client says is said before it is accepted, its end included. */
static void client_says_all(struct end *e)
{
	char data[1000] = { 0 };

	end_connect(e);
	say(e, "put: %s", res(put(e, data, sizeof(data))));
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	tell(e);
	ended(e);
}

static void server_accepts_late(struct end *e)
{
	heed(e);
	end_accept(e);
	ended(e);
	say(e, "put: %s", res(put(e, "answer", 6)));
}

static void client_closes(struct end *e)
{
	end_connect(e);
	say(e, "close: %s", res(close(e->fd)));
}

static void client_resets(struct end *e)
{
	end_connect(e);
	say(e, "put: %s", res(put(e, "x", 1)));
	heed(e);
	reset(e);
	tell(e);
}

static void server_accepts_reset(struct end *e)
{
	struct pollfd pfd = { e->listener, POLLIN, 0 };

	poll(&pfd, 1, -1);
	tell(e);
	heed(e);
	end_accept(e);
	say(e, "poll: %x", wait_for(e->fd, 0));
	ended(e);
	say(e, "send: %s", res(send(e->fd, "x", 1, MSG_NOSIGNAL)));
}

static void server_reads_end(struct end *e)
{
	end_accept(e);
	ended(e);
	say(e, "state: %x", wait_for(e->fd, POLLIN | POLLRDHUP));
}

/* The same socket, once more: dissolved by connect(2) to nowhere, then connected again. */
static void client_comes_back(struct end *e)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	say(e, "disconnect: %s", res(connect(e->fd, &nowhere, sizeof(nowhere))));
	heed(e);
	end_connect(e);
	goes_on(e);
}

static void server_takes_both(struct end *e)
{
	ended(e);
	close(e->fd);
	tell(e);
	end_accept(e);
	goes_on(e);
}

/* A socket of MPTCP, which falls back to TCP as nobody answers in kind. */
static void client_of_mptcp(struct end *e)
{
	int family = e->job->family == '4' ? AF_INET : AF_INET6;

	e->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	say(e, "MPTCP: %s", e->fd < 0 ? err(errno) : "yes");
	end_connect(e);
	goes_on(e);
}

static void server_of_mptcp(struct end *e)
{
	end_accept(e);
	goes_on(e);
}

/* The first bytes are in the SYN, by TCP Fast Open, and arrive once. */
static void client_is_fast(struct end *e)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	struct stream s;
	char data[1000];

	stream_init(&s);
	stream_fill(&s, data, sizeof(data));
	say(e, "sendto: %s", res(end_connect_fast(e, data, sizeof(data))));
	heed(e);
	getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	say(e, "data in the SYN: %s", info.tcpi_options & TCPI_OPT_SYN_DATA ? "yes" : "no");
	goes_on(e);
}

static void server_hears_at_once(struct end *e)
{
	end_accept(e);
	recv_stream(e, 1000);
	tell(e);
	goes_on(e);
}

const struct kase beginning_cases[] = {
	{ "client speaks before accept", IN_ALL | CLIENT_ONLY | UNCONNECTED | ALL_FAMILIES,
	  client_speaks, server_hears, NULL },
	{ "server speaks first", IN_ALL | SERVER_ONLY | UNCONNECTED | ALL_FAMILIES,
	  server_speaks, client_hears, NULL },
	{ "MSG_FASTOPEN", IN_ALL | CLIENT_ONLY | UNCONNECTED | ALL_FAMILIES, client_is_fast,
	  server_hears_at_once, NULL },
	{ "client says all before accept", IN_BLOCKING | CLIENT_ONLY | UNCONNECTED,
	  client_says_all, server_accepts_late, NULL },
	{ "client closes at once", IN_BLOCKING | CLIENT_ONLY | UNCONNECTED, client_closes,
	  server_reads_end, NULL },
	{ "client resets before accept", IN_BLOCKING | CLIENT_ONLY | UNCONNECTED,
	  client_resets, server_accepts_reset, NULL },
	{ "client's socket connects again", IN_ALL | CLIENT_ONLY, client_comes_back,
	  server_takes_both, NULL },
	{ "MPTCP", IN_ALL | CLIENT_ONLY | UNCONNECTED | NOT_CAPTURED | ALL_FAMILIES,
	  client_of_mptcp, server_of_mptcp, NULL },
	{ 0 },
};
