/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets the signals of a terminal, and how they can be told from those of
 * kill(2): si_code (sigaction(2)). The keys go to the whole foreground
 * process group; a hang-up to the leader of the session alone, and to the
 * foreground when the leader is gone.
 */
#include "kernel/terminal.h"

static int master, leader[2], member[2], outsider[2];
static pid_t leader_pid;

/* Says of each signal its number and whether si_code was SI_KERNEL. */
static void __attribute__((noreturn)) tell_signals(int fd)
{
	struct signalfd_siginfo info;
	sigset_t all;
	int signals;

	sigfillset(&all);
	signals = (int)MUST(signalfd(-1, &all, SFD_CLOEXEC));
	say(fd, 'r');
	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		say(fd, (char)info.ssi_signo);
		say(fd, info.ssi_code == SI_KERNEL ? 'k'
			: info.ssi_code == SI_USER && (pid_t)info.ssi_pid == getppid()
				? 'u'
				: '?');
		if (info.ssi_signo == SIGTERM)
			break;
	}
	_exit(0);
}

/* Forks a part of the session that answers whether a signal is pending. */
static void fork_other(int fds[2], bool own_group)
{
	int number;

	if (MUST(fork()))
		return;
	if (own_group)
		setpgid(0, 0);
	say(fds[1], 'r');
	while ((number = hear(fds[1])) > 0)
		say(fds[1], is_pending(number) ? 'y' : 'n');
	_exit(0);
}

static int pending(int fds[2], int number)
{
	say(fds[0], (char)number);
	return hear(fds[0]);
}

static void start(void)
{
	int slave;

	master = terminal_new(&slave);
	channel(leader);
	channel(member);
	channel(outsider);
	leader_pid = child_fork();
	if (leader_pid == 0) {
		close(master);
		close(leader[0]);
		close(member[0]);
		close(outsider[0]);
		terminal_lead(slave);
		block_all();
		fork_other(member, false);
		fork_other(outsider, true);
		tell_signals(leader[1]);
	}
	close(slave);
	close(leader[1]);
	close(member[1]);
	close(outsider[1]);
	if (hear(leader[0]) != 'r' || hear(member[0]) != 'r' || hear(outsider[0]) != 'r')
		exit(1);
}

static void key(char byte, int number, const char *name)
{
	char what[100];

	terminal_type(master, byte);
	snprintf(what, sizeof(what), "%s is signal %d", name, number);
	tap_is(hear(leader[0]), number, what);
	tap_is(hear(leader[0]), 'k', "from SI_KERNEL");
	tap_is(pending(member, number), 'y', "for everybody in the foreground group");
	tap_is(pending(outsider, number), 'n', "and for nobody else");
}

int main(void)
{
	start();
	key(CTRL_C, SIGINT, "^C");
	key(CTRL_BACKSLASH, SIGQUIT, "^\\");

	MUST(kill(leader_pid, SIGINT));
	tap_is(hear(leader[0]), SIGINT, "kill(2)");
	tap_is(hear(leader[0]), 'u', "is from SI_USER, with the sender's pid");

	/* close(2) of the master sends its signals before it returns */
	close(master);
	tap_is(hear(leader[0]), SIGHUP,
	       "a hang-up is SIGHUP for the leader of the session");
	tap_is(hear(leader[0]), 'k', "from SI_KERNEL");
	tap_is(pending(member, SIGHUP), 'n',
	       "and nothing for the rest of the foreground");
	MUST(kill(leader_pid, SIGTERM));
	tap_is(child_status(leader_pid), 0, "when the leader ends");
	tap_is(pending(member, SIGHUP), 'y', "they get SIGHUP, too");
	tap_is(pending(outsider, SIGHUP), 'n', "but not the other groups");
	return tap_end();
}
