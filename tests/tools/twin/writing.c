/* SPDX-License-Identifier: Apache-2.0 */
/* A thread waits for room to write, and something else happens than that there is some. */
#include <signal.h>
#include <sys/time.h>

#include "end.h"

#define MIB (1024 * 1024)
#define MUCH (32 * MIB) /* more than all queues hold */

static char data[MUCH];

static ssize_t send_much(struct end *e)
{
	return put(e, data, sizeof(data));
}

/* It reads once it is told to. */
static void reads_when_told(struct end *e)
{
	heed(e);
	ended(e);
}

static void finish(struct end *e, struct waiter *w)
{
	tell(e);
	say(e, "send: %s", res(waiter_end(w)));
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static void on_signal(int number)
{
}

static void signalled(struct end *e)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct waiter w;

	sigaction(SIGUSR1, &action, NULL);
	waiter_start(&w, e, send_much);
	for (int i = 0; i < 5; i++) {
		await_stuck(e, getpid(), w.tid);
		pthread_kill(w.thread, SIGUSR1);
	}
	finish(e, &w);
}

static void stopped(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, send_much);
	await_stuck(e, getpid(), w.tid);
	finish(e, &w);
}

static void stops_and_reads(struct end *e)
{
	pid_t pid = e->shared->pid[0];

	heed(e);
	must(e, "kill", kill(pid, SIGSTOP));
	await_state(e, pid, 'T');
	must(e, "kill", kill(pid, SIGCONT));
	await_state(e, pid, 'S');
	ended(e);
}

/* What was accepted before the shutdown still arrives; how much is a matter of luck. */
static void shut(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, send_much);
	await_stuck(e, getpid(), w.tid);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	say(e, "send: %s", res(waiter_end(&w)));
	tell(e);
	ended(e);
}

static void reads_some(struct end *e)
{
	char *text = malloc(MIB);
	ssize_t n;

	heed(e);
	while ((n = get(e, text, MIB)) > 0)
		;
	say(e, "at last: %s", res(n));
	free(text);
}

static void timed_out(struct end *e)
{
	struct timeval soon = { 0, 50000 };

	must(e, "SO_SNDTIMEO", setsockopt(e->fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)));
	say(e, "send: %s", res(send_much(e)));
	tell(e);
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* Until there is no room, on a socket that blocks; then there is some again. */
static void dontwait(struct end *e)
{
	ssize_t n;

	do {
		n = send(e->fd, data, MIB, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n > 0);
	say(e, "send: %s", res(n));
	tell(e);
	say(e, "poll: %x", wait_for(e->fd, POLLOUT));
	n = send(e->fd, data, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	say(e, "send: %s", res(n));
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

/* The peer says that it will write no more, and reads on. */
static void half_closed(struct end *e)
{
	struct waiter w;

	waiter_start(&w, e, send_much);
	await_stuck(e, getpid(), w.tid);
	tell(e);
	finish(e, &w);
}

static void half_closes(struct end *e)
{
	heed(e);
	say(e, "shutdown: %s", res(shutdown(e->fd, SHUT_WR)));
	heed(e);
	ended(e);
}

const struct kase writing_cases[] = {
	{ "send, signals", IN_ALL, signalled, reads_when_told, NULL },
	{ "send, stopped", IN_ALL, stopped, stops_and_reads, NULL },
	{ "send, shutdown of writing", IN_ALL, shut, reads_some, NULL },
	{ "send, SO_SNDTIMEO", IN_WAITING, timed_out, reads_some, NULL },
	{ "send, MSG_DONTWAIT", IN_ALL, dontwait, reads_some, NULL },
	{ "send while the peer ends", IN_ALL, half_closed, half_closes, NULL },
	{ 0 },
};
