/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that receives, and what asks how much there is. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "end.h"

#define MIB (1024 * 1024)
#define TOTAL (8 * MIB)

static void sends(struct end *e)
{
	send_stream(e, TOTAL, 400000, send_plainly);
	ended(e);
}

static ssize_t do_read(struct end *e, char *data, size_t len)
{
	return read(e->fd, data, len);
}

static void with_read(struct end *e)
{
	recv_stream_by(e, TOTAL, 100000, do_read);
}

static ssize_t do_readv(struct end *e, char *data, size_t len)
{
	size_t third = len / 3;
	struct iovec iov[] = {
		{ data, third }, { data + third, third }, { data + 2 * third, len - 2 * third },
	};

	return readv(e->fd, iov, 3);
}

static void with_readv(struct end *e)
{
	recv_stream_by(e, TOTAL, 100001, do_readv);
}

static ssize_t do_recvmmsg(struct end *e, char *data, size_t len)
{
	struct iovec iov[] = { { data, len > 1 ? len / 2 : 1 }, { data + len / 2, len - len / 2 } };
	struct mmsghdr messages[] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	int n = recvmmsg(e->fd, messages, len > 1 ? 2 : 1, MSG_WAITFORONE, NULL);

	if (n < 0)
		return -1;
	if (n == 2)
		memmove(data + messages[0].msg_len, data + len / 2, messages[1].msg_len);
	return messages[0].msg_len + messages[1].msg_len;
}

static void with_recvmmsg(struct end *e)
{
	recv_stream_by(e, TOTAL, 100000, do_recvmmsg);
}

static ssize_t do_splice(struct end *e, char *data, size_t len)
{
	static int p[2] = { -1, -1 };
	ssize_t n;

	if (p[0] < 0 && pipe(p) < 0)
		_exit(6);
	n = splice(e->fd, NULL, p[1], NULL, len, SPLICE_F_MOVE);
	return n > 0 ? read(p[0], data, (size_t)n) : n;
}

static void with_splice(struct end *e)
{
	recv_stream_by(e, TOTAL, 30000, do_splice);
}

/* Reads little, and pauses. */
static ssize_t do_slowly(struct end *e, char *data, size_t len)
{
	nap();
	return recv(e->fd, data, len, 0);
}

static void slowly(struct end *e)
{
	recv_stream_by(e, 2 * MIB, 10000, do_slowly);
}

static void sends_less(struct end *e)
{
	send_stream(e, 2 * MIB, 400000, send_plainly);
	ended(e);
}

/* Each time the sender is stuck, it goes on a little. */
static ssize_t do_when_stuck(struct end *e, char *data, size_t len)
{
	static uint64_t bytes;
	ssize_t n;

	if (bytes / (5 * MIB) < (bytes + len) / (5 * MIB))
		await_stuck(e, e->shared->pid[1], e->shared->pid[1]);
	n = recv(e->fd, data, len, 0);
	if (n > 0)
		bytes += (uint64_t)n;
	return n;
}

static void stop_and_resume(struct end *e)
{
	await_stuck(e, e->shared->pid[1], e->shared->pid[1]);
	recv_stream_by(e, 16 * MIB, 100000, do_when_stuck);
}

static void sends_much(struct end *e)
{
	send_stream(e, 16 * MIB, MIB, send_plainly);
	ended(e);
}

/* ---- pieces, with a word in between --------------------------------------------------- */

/* "12345" each time it is asked, the end at last. */
static void sends_pieces(struct end *e)
{
	for (int i = 0; i < 4; i++) {
		heed(e);
		if (put(e, "12345", 5) != 5)
			break;
	}
	heed(e);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static int peeked(struct end *e)
{
	char text[100];

	return (int)recv(e->fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);
}

/* more_there - asks for a piece, and waits until so many bytes can be seen. */
static void more_there(struct end *e, int total)
{
	tell(e);
	for (int i = 0; i < e->setup->patience_ms && peeked(e) != total; i++)
		nap();
}

static int waiting(struct end *e)
{
	int n = -1;

	return ioctl(e->fd, FIONREAD, &n) < 0 ? -errno : n;
}

static void fionread(struct end *e)
{
	char text[10];

	say(e, "FIONREAD: %d", waiting(e));
	more_there(e, 5);
	say(e, "FIONREAD: %d", waiting(e));
	more_there(e, 10);
	say(e, "FIONREAD: %d", waiting(e));
	say(e, "recv: %s", res(get(e, text, 3)));
	say(e, "FIONREAD: %d", waiting(e));
	more_there(e, 12);
	more_there(e, 17);
	say(e, "FIONREAD: %d", waiting(e));
	tell(e);
	say(e, "recv: %s", res(get_full(e, text, 10)));
	say(e, "recv: %s", res(get_full(e, text, 8)));
	say(e, "FIONREAD: %d", waiting(e));
}

static void peek(struct end *e)
{
	char text[11] = "";

	more_there(e, 5);
	say(e, "peek 3: %s", res(recv(e->fd, text, 3, MSG_PEEK)));
	say(e, "peek 3: %s", res(recv(e->fd, text, 3, MSG_PEEK)));
	say(e, "peek 10: %s %s", res(recv(e->fd, text, 10, MSG_PEEK)), text);
	say(e, "recv 2: %s", res(recv(e->fd, text, 2, 0)));
	say(e, "peek 10: %s", res(recv(e->fd, text, 10, MSG_PEEK)));
	more_there(e, 8);
	say(e, "peek 10: %s %.8s", res(recv(e->fd, text, 10, MSG_PEEK)), text);
	say(e, "discard 4: %s", res(recv(e->fd, NULL, 4, MSG_TRUNC)));
	say(e, "recv 10: %s %.4s", res(recv(e->fd, text, 10, 0)), text);
	tell(e), tell(e), tell(e);
	say(e, "rest: %s", res(get_full(e, text, 10)));
	say(e, "end: %s", res(get(e, text, 10)));
	say(e, "peek at the end: %s", res(recv(e->fd, text, 10, MSG_PEEK)));
}

static void nothing(struct end *e)
{
	char c;

	say(e, "recv of nothing: %s", res(recv(e->fd, &c, 0, MSG_DONTWAIT)));
	more_there(e, 5);
	say(e, "recv of nothing: %s", res(recv(e->fd, &c, 0, MSG_DONTWAIT)));
	tell(e), tell(e), tell(e), tell(e);
	ended(e);
}

static volatile char twelve[12];

static ssize_t recv_all_12(struct end *e)
{
	ssize_t n;

	do {
		n = recv(e->fd, (char *)twelve, sizeof(twelve), MSG_WAITALL);
	} while (n < 0 && may_go_on(e));
	return n < 0 ? -errno : n;
}

static void waitall(struct end *e)
{
	struct waiter w;
	char text[10];

	waiter_start(&w, e, recv_all_12);
	tell(e), tell(e);
	await_waiter(&w);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
	say(e, "recv: %s", res(get_full(e, text, 3)));
	waiter_start(&w, e, recv_all_12);
	tell(e), tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
}

/* What is there must do. */
static void waitall_not(struct end *e)
{
	int flags = MSG_WAITALL | (e->mode == NONBLOCKING ? 0 : MSG_DONTWAIT);
	char text[12];

	more_there(e, 5);
	say(e, "recv 12: %s", res(recv(e->fd, text, 12, flags)));
	say(e, "recv 12: %s", res(recv(e->fd, text, 12, flags)));
	more_there(e, 5);
	more_there(e, 10);
	more_there(e, 15);
	say(e, "recv 12: %s", res(recv(e->fd, text, 12, flags)));
	say(e, "recv 12: %s", res(recv(e->fd, text, 12, flags)));
	tell(e);
	ended(e);
}

static ssize_t recv_some(struct end *e)
{
	char text[100];

	return get(e, text, sizeof(text));
}

/* Readable from 12 on, or at the end. */
static void rcvlowat(struct end *e)
{
	struct pollfd pfd = { e->fd, POLLIN, 0 };

	option(e, SOL_SOCKET, SO_RCVLOWAT, 12);
	more_there(e, 5);
	more_there(e, 10);
	say(e, "poll: %d", poll(&pfd, 1, 0));
	tell(e);
	say(e, "poll: %x", wait_for(e->fd, POLLIN));
	say(e, "recv: %s", res(recv_some(e)));
	more_there(e, 5);
	say(e, "poll: %d", poll(&pfd, 1, 0));
	tell(e);
	say(e, "poll: %x", wait_for(e->fd, POLLIN));
	say(e, "recv: %s", res(recv_some(e)));
	say(e, "recv: %s", res(recv_some(e)));
}

/* The kernel takes a window that is no larger than the largest segment for memory pressure. */
static void large_rcvbuf(struct end *e)
{
	option(e, SOL_SOCKET, SO_RCVBUF, 1 << 20);
}

static void sends_little_then_more(struct end *e)
{
	for (int i = 0; i < 3; i++) {
		int n = i ? 20 : 5;

		heed(e);
		if (put(e, "12345678901234567890", (size_t)n) != n)
			break;
	}
	heed(e);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/*
 * A call that waits for as much. When it is tried again it takes the 5, and is
 * not woken before 12 others are there.
 */
static void rcvlowat_waits(struct end *e)
{
	struct waiter w;

	option(e, SOL_SOCKET, SO_RCVLOWAT, 12);
	waiter_start(&w, e, recv_some);
	more_there(e, 5);
	await_waiter(&w);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
	waiter_start(&w, e, recv_some);
	tell(e), tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
}

static void on_signal(int number)
{
}

static void waitall_signal(struct end *e)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct waiter w;

	sigaction(SIGUSR1, &action, NULL);
	waiter_start(&w, e, recv_all_12);
	tell(e), tell(e);
	while (!twelve[9])
		nap();
	await_waiter(&w);
	pthread_kill(w.thread, SIGUSR1);
	say(e, "recv: %s", res(waiter_end(&w)));
	tell(e), tell(e), tell(e);
	ended(e);
}

const struct kase receiving_cases[] = {
	{ "read", IN_ALL, with_read, sends, NULL },
	{ "readv", IN_ALL, with_readv, sends, NULL },
	{ "recvmmsg", IN_ALL, with_recvmmsg, sends, NULL },
	{ "splice out of it", IN_ALL, with_splice, sends, NULL },
	{ "slow reader", IN_ALL, slowly, sends_less, NULL },
	{ "reader stops and resumes", IN_ALL | ALL_FAMILIES, stop_and_resume, sends_much, NULL },
	{ "FIONREAD", IN_ALL, fionread, sends_pieces, NULL },
	{ "MSG_PEEK, MSG_TRUNC", IN_ALL, peek, sends_pieces, NULL },
	{ "recv of nothing", IN_ALL, nothing, sends_pieces, NULL },
	{ "MSG_WAITALL", IN_WAITING, waitall, sends_pieces, NULL },
	{ "MSG_WAITALL, without waiting", IN_ALL, waitall_not, sends_pieces, NULL },
	{ "MSG_WAITALL, signal", IN_WAITING, waitall_signal, sends_pieces, NULL },
	{ "SO_RCVLOWAT", IN_ALL, rcvlowat, sends_pieces, large_rcvbuf },
	{ "SO_RCVLOWAT, recv waits", IN_WAITING, rcvlowat_waits, sends_little_then_more, large_rcvbuf },
	{ 0 },
};
