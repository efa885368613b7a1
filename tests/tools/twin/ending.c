/* SPDX-License-Identifier: Apache-2.0 */
/* All the ways in which a connection ends, in one direction and in both. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>

#include "end.h"

#define MIB (1024 * 1024)

static int tcp_state(struct end *e)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_state;
}

static void await_tcp_state(struct end *e, int state)
{
	for (int i = 0; i < e->setup->patience_ms && tcp_state(e) != state; i++)
		nap();
	say(e, "state of TCP: %d", tcp_state(e));
}

static ssize_t send_1(struct end *e)
{
	ssize_t n = send(e->fd, "x", 1, MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

static void says_events(struct end *e)
{
	struct pollfd pfd = { e->fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };

	poll(&pfd, 1, 0);
	say(e, "poll: %x", pfd.revents);
}

static void reads_on_and_ends(struct end *e)
{
	ended(e);
	shutdown(e->fd, SHUT_WR);
}

/* ---- one direction ends, the other goes on -------------------------------------------- */

static void half_close(struct end *e)
{
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	await_tcp_state(e, 5 /* FIN_WAIT2 */);
	tell(e);
	recv_stream(e, 8 * MIB);
	says_events(e);
	say(e, "put: %s", res(put(e, "x", 1)));
	tell(e);
	ended(e);
	says_events(e);
}

static void goes_on(struct end *e)
{
	ended(e);
	heed(e);
	say(e, "state of TCP: %d", tcp_state(e));
	says_events(e);
	send_stream(e, 8 * MIB, MIB, send_plainly);
	heed(e);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	says_events(e);
}

/* Much is on its way when it ends: all of it arrives before the end. */
static void much_then_end(struct end *e)
{
	send_stream(e, 8 * MIB, 4 * MIB, send_plainly);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	ended(e);
}

static void gets_much(struct end *e)
{
	recv_stream(e, 8 * MIB);
	ended(e);
	send_stream(e, MIB, MIB, send_plainly);
}

static void much_then_close(struct end *e)
{
	send_stream(e, 8 * MIB, 4 * MIB, send_plainly);
	say(e, "close: %s", res(close(e->fd)));
}

/* close(2) waits for what is on its way. */
static void lingers(struct end *e)
{
	struct linger wait = { 1, 10 };

	send_stream(e, MIB, MIB, send_plainly);
	setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait));
	say(e, "close: %s", res(close(e->fd)));
}

static void gets_1_mib(struct end *e)
{
	recv_stream(e, MIB);
	ended(e);
}

static void gets_8_mib(struct end *e)
{
	recv_stream(e, 8 * MIB);
	ended(e);
}

static unsigned int broken_pipes;

static void on_pipe(int number)
{
	broken_pipes++;
}

static void own_end(struct end *e)
{
	struct sigaction action = { .sa_handler = on_pipe };
	struct pollfd pfd = { e->fd, POLLOUT, 0 };

	sigaction(SIGPIPE, &action, NULL);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	say(e, "send: %s", res(send(e->fd, "x", 1, 0)));
	say(e, "write: %s", res(write(e->fd, "x", 1)));
	say(e, "send: %s", res(send_1(e)));
	say(e, "SIGPIPE: %u times", broken_pipes);
	say(e, "poll: %d %x", poll(&pfd, 1, 0), pfd.revents);
	ended(e);
}

/* What still comes after shutdown(SHUT_RD) is there to be read. */
static void own_end_of_reading(struct end *e)
{
	char text[8];
	int n = 0;

	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_RD)));
	say(e, "recv: %s", res(recv(e->fd, text, sizeof(text), 0)));
	says_events(e);
	tell(e);
	for (int i = 0; i < e->setup->patience_ms && !n; i++) {
		nap();
		n = (int)recv(e->fd, text, sizeof(text), 0);
	}
	say(e, "recv: %d", n);
	say(e, "put: %s", res(put(e, "x", 1)));
}

static void sends_5(struct end *e)
{
	heed(e);
	say(e, "put: %s", res(put(e, "12345", 5)));
	ended(e);
}

/* ---- writing to one who is gone ------------------------------------------------------- */

static void closes(struct end *e)
{
	heed(e);
	say(e, "close: %s", res(close(e->fd)));
	heed(e);
}

static void writes_after_close(struct end *e)
{
	struct sigaction action = { .sa_handler = on_pipe };
	char c;

	sigaction(SIGPIPE, &action, NULL);
	tell(e);
	say(e, "poll: %x", wait_for(e->fd, POLLIN | POLLRDHUP));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, 0)));
	say(e, "send: %s", res(send_1(e)));
	say(e, "poll: %x", wait_for(e->fd, 0));
	say(e, "SO_ERROR: %s", err(get_option(e, SOL_SOCKET, SO_ERROR)));
	say(e, "send: %s", res(send(e->fd, "x", 1, 0)));
	say(e, "write: %s", res(write(e->fd, "x", 1)));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, 0)));
	say(e, "SIGPIPE: %u times", broken_pipes);
	tell(e);
}

static const char *broken(ssize_t n)
{
	return n == -EPIPE || n == -ECONNRESET ? "EPIPE or ECONNRESET" : res(n);
}

/*
 * It does not look, and writes until it is told. One more may pass then, until
 * the reset is there: what the receiver's socket said is handed on.
 */
static void writes_blindly(struct end *e)
{
	static char data[10000];
	ssize_t n;

	tell(e);
	do {
		n = put(e, data, sizeof(data));
	} while (n > 0);
	say(e, "send: %s", broken(n));
	n = send_1(e);
	if (n == 1) {
		wait_for(e->fd, 0);
		n = send_1(e);
	}
	say(e, "send: %s", broken(n));
	say(e, "send: %s", broken(send_1(e)));
	tell(e);
}

static void closes_unread(struct end *e)
{
	wait_for(e->fd, POLLIN);
	say(e, "close: %s", res(close(e->fd)));
	heed(e);
}

static void has_unread(struct end *e)
{
	char c;

	say(e, "put: %s", res(put(e, "12345", 5)));
	say(e, "poll: %x", wait_for(e->fd, POLLIN));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, 0)));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, 0)));
	say(e, "send: %s", res(send_1(e)));
	tell(e);
}

/* ---- resets --------------------------------------------------------------------------- */

static void resets(struct end *e)
{
	heed(e);
	reset(e);
	heed(e);
}

static void is_reset(struct end *e)
{
	char c;

	tell(e);
	say(e, "poll: %x", wait_for(e->fd, POLLIN));
	says_events(e);
	say(e, "state of TCP: %d", tcp_state(e));
	say(e, "SO_ERROR: %s", err(get_option(e, SOL_SOCKET, SO_ERROR)));
	say(e, "SO_ERROR: %d", get_option(e, SOL_SOCKET, SO_ERROR));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, 0)));
	say(e, "send: %s", res(send_1(e)));
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	tell(e);
}

/* The first call that meets the reset is a send. */
static void send_is_reset(struct end *e)
{
	tell(e);
	wait_for(e->fd, 0);
	say(e, "send: %s", res(send_1(e)));
	say(e, "send: %s", res(send_1(e)));
	ended(e);
	tell(e);
}

static void sends_then_resets(struct end *e)
{
	send_stream(e, 300000, 100000, send_plainly);
	reset(e);
	heed(e);
}

/* How much arrives is a matter of luck; what does is right, and then comes the reset. */
static void is_reset_midstream(struct end *e)
{
	char data[10000];
	struct stream s;
	ssize_t n;

	stream_init(&s);
	while ((n = get(e, data, sizeof(data))) > 0)
		stream_take(&s, data, (size_t)n);
	say(e, "what came is %s, then %s", s.wrong == UINT64_MAX ? "right" : "wrong", res(n));
	tell(e);
}

static ssize_t send_much(struct end *e)
{
	static char data[64 * MIB];

	return put(e, data, sizeof(data));
}

/* A writer waits for room when the reset comes. */
static void writer_is_reset(struct end *e)
{
	say(e, "put: %s", res(send_much(e)));
	say(e, "send: %s", res(send_1(e)));
	tell(e);
}

static void resets_when_stuck(struct end *e)
{
	await_stuck(e, e->shared->pid[0], e->shared->pid[0]);
	reset(e);
	heed(e);
}

/* Both end at the same time. */
static void ends_at_once(struct end *e)
{
	meet(e);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	ended(e);
	say(e, "close: %s", res(close(e->fd)));
}

const struct kase ending_cases[] = {
	{ "half-close, data after", IN_ALL | ALL_FAMILIES, half_close, goes_on, NULL },
	{ "much data, half-close", IN_ALL | ALL_FAMILIES, much_then_end, gets_much, NULL },
	{ "much data, close", IN_ALL, much_then_close, gets_8_mib, NULL },
	{ "close that lingers", IN_ALL, lingers, gets_1_mib, NULL },
	{ "both end at once", IN_ALL, ends_at_once, ends_at_once, NULL },
	{ "send after its own shutdown", IN_ALL, own_end, reads_on_and_ends, NULL },
	{ "shutdown of reading, data", IN_ALL, own_end_of_reading, sends_5, NULL },
	{ "write after close", IN_ALL | ALL_FAMILIES, writes_after_close, closes, NULL },
	{ "write on after close", IN_ALL, writes_blindly, closes, NULL },
	{ "close with unread data", IN_ALL, has_unread, closes_unread, NULL },
	{ "reset", IN_ALL | ALL_FAMILIES, is_reset, resets, NULL },
	{ "reset met by send", IN_ALL, send_is_reset, resets, NULL },
	{ "reset in midstream", IN_ALL, is_reset_midstream, sends_then_resets, NULL },
	{ "reset of a waiting writer", IN_ALL, writer_is_reset, resets_when_stuck, NULL },
	{ 0 },
};
