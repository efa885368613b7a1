/* SPDX-License-Identifier: Apache-2.0 */
/* The urgent byte of tcp(7), beside the stream and in it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "end.h"

#define MARKS 10

static void sends_urgent(struct end *e)
{
	for (int i = 0; i < MARKS; i++) {
		say(e, "before: %s", res(put(e, "abc", 3)));
		say(e, "urgent: %s", res(send(e->fd, "!", 1, MSG_OOB | MSG_NOSIGNAL)));
		say(e, "after: %s", res(put(e, "def", 3)));
		heed(e);
	}
	shutdown(e->fd, SHUT_WR);
	ended(e);
}

static void sends_urgent_when_told(struct end *e)
{
	heed(e);
	sends_urgent(e);
}

static int at_mark(struct end *e)
{
	int at = -1;

	return ioctl(e->fd, SIOCATMARK, &at) < 0 ? -errno : at;
}

static void beside(struct end *e)
{
	char text[8] = "";

	for (int i = 0; i < MARKS; i++) {
		say(e, "poll: %x", wait_for(e->fd, POLLPRI) & POLLPRI);
		say(e, "recv, urgent: %s %.1s", res(recv(e->fd, text, 1, MSG_OOB)), text);
		say(e, "again: %s", res(recv(e->fd, text, 1, MSG_OOB)));
		wait_for(e->fd, POLLIN);
		say(e, "recv: %s %.3s", res(recv(e->fd, text, 8, 0)), text);
		say(e, "at the mark: %d", at_mark(e));
		say(e, "recv: %s %.3s", res(get_full(e, text, 3)), text);
		tell(e);
	}
	ended(e);
}

static void in_it(struct end *e)
{
	char text[8] = "";

	option(e, SOL_SOCKET, SO_OOBINLINE, 1);
	for (int i = 0; i < MARKS; i++) {
		say(e, "poll: %x", wait_for(e->fd, POLLPRI) & POLLPRI);
		say(e, "recv: %s %.3s", res(get_full(e, text, 3)), text);
		say(e, "at the mark: %d", at_mark(e));
		say(e, "recv: %s %.4s", res(get_full(e, text, 4)), text);
		tell(e);
	}
	ended(e);
}

/* SIGURG, and a thread that waits for data meanwhile. */
static void on_urgent(int number)
{
}

static void by_signal(struct end *e)
{
	struct sigaction action = { .sa_handler = on_urgent, .sa_flags = SA_RESTART };
	sigset_t set;
	char text[4] = "";
	int number;

	sigaction(SIGURG, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(e, "F_SETOWN", fcntl(e->fd, F_SETOWN, getpid()));
	tell(e);
	for (int i = 0; i < MARKS; i++) {
		sigwait(&set, &number);
		say(e, "signal: %d", number);
		wait_for(e->fd, POLLPRI);
		say(e, "recv, urgent: %s %.1s", res(recv(e->fd, text, 1, MSG_OOB)), text);
		say(e, "recv: %s", res(get_full(e, text, 3)));
		say(e, "recv: %s", res(get_full(e, text, 3)));
		/* one that came twice, for the byte and before it */
		while (sigtimedwait(&set, NULL, &(struct timespec){ 0 }) > 0)
			;
		tell(e);
	}
	ended(e);
}

const struct kase urgent_cases[] = {
	{ "MSG_OOB", IN_ALL | ALL_FAMILIES, beside, sends_urgent, NULL },
	{ "MSG_OOB, SO_OOBINLINE", IN_ALL, in_it, sends_urgent, NULL },
	{ "MSG_OOB, SIGURG", IN_ALL, by_signal, sends_urgent_when_told, NULL },
	{ 0 },
};
