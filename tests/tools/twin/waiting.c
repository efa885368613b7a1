/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread waits in a call, and something else happens. A blocking call goes
 * on waiting, or ends as it should; it never says EAGAIN.
 */
#include <signal.h>

#include "end.h"

static void partner_ends(struct end *e)
{
	ended(e);
	shutdown(e->fd, SHUT_WR);
}

static void partner_writes(struct end *e)
{
	heed(e);
	say(e, "put: %s", res(put(e, "x", 1)));
	partner_ends(e);
}

/* Nothing stays unread, so that the other end sees a FIN. */
static void finish(struct end *e)
{
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static void until_data(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, recv_1);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
	finish(e);
}

/* The other thread's bytes come back: the wait ends with data, and by nothing else. */
static void while_writing(struct end *e)
{
	struct waiter w;
	char c = 'a';

	for (int i = 0; i < 20; i++) {
		waiter_start(&w, e, recv_1);
		must(e, "put", put(e, &c, 1) == 1 ? 0 : -1);
		tell(e);
		say(e, "recv: %s", res(waiter_end(&w)));
	}
	finish(e);
}

static void partner_echoes(struct end *e)
{
	char c;

	for (int i = 0; i < 20; i++) {
		heed(e);
		if (get(e, &c, 1) != 1 || put(e, &c, 1) != 1)
			break;
	}
	partner_ends(e);
}

static void until_eof(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, recv_1);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
	say(e, "put: %s", res(put(e, "x", 1)));
	finish(e);
}

static void partner_half_closes(struct end *e)
{
	heed(e);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	partner_ends(e);
}

static void until_reset(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, recv_1);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
	say(e, "again: %s", res(recv_1(e)));
	say(e, "send: %s", res(send(e->fd, "x", 1, MSG_NOSIGNAL)));
}

static void partner_resets(struct end *e)
{
	heed(e);
	reset(e);
}

static void while_shut(struct end *e, int how)
{
	struct waiter w;

	waiter_start(&w, e, recv_1);
	say(e, "shutdown: %s", res(shutdown(e->fd, how)));
	say(e, "recv: %s", res(waiter_end(&w)));
	say(e, "send: %s", res(send(e->fd, "x", 1, MSG_NOSIGNAL)));
	finish(e);
}

static void while_shut_rd(struct end *e)
{
	while_shut(e, SHUT_RD);
}

static void while_shut_both(struct end *e)
{
	while_shut(e, SHUT_RDWR);
}

/* Its own end is shut for sending; what comes is still received. */
static void while_shut_wr(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, recv_1);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
}

static void partner_reads_on(struct end *e)
{
	partner_ends(e);
}

static void on_signal(int number)
{
}

/* Whatever ends the call. */
static ssize_t recv_once(struct end *e)
{
	ssize_t n;
	char c;

	n = recv(e->fd, &c, 1, 0);
	return n < 0 ? -errno : n;
}

/* The signal goes to the thread that waits; then data. */
static void signalled(struct end *e, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };
	struct waiter w;
	ssize_t r;

	sigaction(SIGUSR1, &action, NULL);
	waiter_start(&w, e, flags ? recv_1 : recv_once);
	pthread_kill(w.thread, SIGUSR1);
	if (flags) {
		await_waiter(&w);
		tell(e);
		r = waiter_end(&w);
	} else {
		r = waiter_end(&w);
		tell(e);
	}
	say(e, "recv: %s", res(r));
	finish(e);
}

static void with_restart(struct end *e)
{
	signalled(e, SA_RESTART);
}

static void without_restart(struct end *e)
{
	signalled(e, 0);
}

static void stopped(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, recv_1);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w)));
	finish(e);
}

static void partner_stops(struct end *e)
{
	pid_t pid = e->shared->pid[0];

	heed(e);
	for (int i = 0; i < 3; i++) {
		must(e, "kill", kill(pid, SIGSTOP));
		await_state(e, pid, 'T');
		must(e, "kill", kill(pid, SIGCONT));
		await_state(e, pid, 'S');
	}
	say(e, "put: %s", res(put(e, "x", 1)));
	partner_ends(e);
}

/* The data comes while it is stopped. */
static void partner_stops_and_writes(struct end *e)
{
	pid_t pid = e->shared->pid[0];

	heed(e);
	must(e, "kill", kill(pid, SIGSTOP));
	await_state(e, pid, 'T');
	say(e, "put: %s", res(put(e, "x", 1)));
	must(e, "kill", kill(pid, SIGCONT));
	partner_ends(e);
}

/* Two readers, two bytes, one after the other. */
static void two_readers(struct end *e)
{
	struct waiter w[2];

	waiter_start(&w[0], e, recv_1);
	waiter_start(&w[1], e, recv_1);
	tell(e);
	say(e, "recv: %s", res(waiter_end(&w[0])));
	say(e, "recv: %s", res(waiter_end(&w[1])));
	finish(e);
}

static void partner_writes_twice(struct end *e)
{
	pid_t pid = e->shared->pid[0];

	heed(e);
	say(e, "put: %s", res(put(e, "x", 1)));
	await_state(e, pid, 'S');
	say(e, "put: %s", res(put(e, "x", 1)));
	partner_ends(e);
}

static ssize_t send_much(struct end *e)
{
	static char data[16 << 20];

	return put(e, data, sizeof(data));
}

/* A writer waits for room, a reader for data; room comes first, many times. */
static void reader_and_writer(struct end *e)
{
	struct waiter reader, writer;

	waiter_start(&writer, e, send_much);
	waiter_start(&reader, e, recv_1);
	tell(e);
	say(e, "sent: %s", res(waiter_end(&writer)));
	tell(e);
	say(e, "recv: %s", res(waiter_end(&reader)));
	finish(e);
}

static void partner_reads_then_writes(struct end *e)
{
	static char data[16 << 20];

	heed(e);
	say(e, "got: %s", res(get_full(e, data, sizeof(data))));
	heed(e);
	say(e, "put: %s", res(put(e, "x", 1)));
	partner_ends(e);
}

static void timed_out(struct end *e)
{
	struct timeval soon = { 0, 20000 };
	char c;

	must(e, "SO_RCVTIMEO",
	     setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, 0)));
	tell(e);
	soon.tv_usec = 0;
	setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	say(e, "recv: %s", res(recv_1(e)));
	finish(e);
}

/* A blocking socket, and calls that must not wait. */
static void dontwait(struct end *e)
{
	char c;

	say(e, "recv: %s", res(recv(e->fd, &c, 1, MSG_DONTWAIT)));
	tell(e);
	say(e, "poll: %x", wait_for(e->fd, POLLIN));
	say(e, "recv: %s", res(recv(e->fd, &c, 1, MSG_DONTWAIT)));
	say(e, "send: %s", res(send(e->fd, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
	finish(e);
}

const struct kase waiting_cases[] = {
	{ "recv until data", IN_ALL | ALL_FAMILIES, until_data, partner_writes, NULL },
	{ "recv while a thread writes", IN_ALL, while_writing, partner_echoes, NULL },
	{ "recv until EOF", IN_ALL, until_eof, partner_half_closes, NULL },
	{ "recv until a reset", IN_ALL | ALL_FAMILIES, until_reset, partner_resets, NULL },
	{ "recv, shutdown of reading", IN_ALL, while_shut_rd, partner_reads_on, NULL },
	{ "recv, shutdown of both", IN_ALL, while_shut_both, partner_reads_on, NULL },
	{ "recv, shutdown of writing", IN_ALL, while_shut_wr, partner_writes, NULL },
	{ "recv, signal, SA_RESTART", IN_WAITING, with_restart, partner_writes, NULL },
	{ "recv, signal", IN_WAITING, without_restart, partner_writes, NULL },
	{ "recv, stopped", IN_ALL, stopped, partner_stops, NULL },
	{ "recv, stopped, data", IN_ALL, stopped, partner_stops_and_writes, NULL },
	{ "recv, two readers", IN_WAITING, two_readers, partner_writes_twice, NULL },
	{ "recv while a writer waits", IN_ALL, reader_and_writer, partner_reads_then_writes, NULL },
	{ "recv, SO_RCVTIMEO", IN_WAITING, timed_out, partner_writes, NULL },
	{ "recv, MSG_DONTWAIT", IN_ALL, dontwait, partner_writes, NULL },
	{ 0 },
};
