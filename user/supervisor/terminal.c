/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/supervisor.h"

bool terminal_is_ours(const struct supervisor *s)
{
	bool ours = s->inherited.tty_fd >= 0;

	/* a pipe is somebody else of our group, perhaps a pager that reads the terminal */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && ours; fd++)
		ours = tcgetpgrp(fd) == getpgrp();
	return ours;
}

void terminal_given(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaddset(&s->signal_set, SIGCONT);
	signalfd(s->signals.fd, &s->signal_set, 0);
	s->terminal_given = true;
}

/* From the background this stops who does not block SIGTTOU: tcsetpgrp(3). */
static void set_foreground(int fd, pid_t group)
{
	sigset_t set, was;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &was);
	tcsetpgrp(fd, group);
	sigprocmask(SIG_SETMASK, &was, NULL);
}

bool terminal_typed(struct supervisor *s, int signal)
{
	struct timespec no_wait = { 0 };
	sigset_t set;

	if (!s->terminal_given)
		return false;
	switch (signal) {
	case SIGINT:
	case SIGQUIT:
		kill(0, signal);
		/* our own copy: COMMAND has it */
		sigemptyset(&set);
		sigaddset(&set, signal);
		sigtimedwait(&set, NULL, &no_wait);
		return true;
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		/* who is told that we stop finds the terminal as if we had always had it */
		set_foreground(s->inherited.tty_fd, getpgrp());
		kill(0, signal);
		return true;
	default:
		return false;
	}
}

void terminal_continued(struct supervisor *s)
{
	if (tcgetpgrp(s->inherited.tty_fd) == getpgrp())
		set_foreground(s->inherited.tty_fd, s->netns.process.pid);
}
