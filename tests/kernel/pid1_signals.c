/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of a PID namespace (pid_namespaces(7)): what it ignores by
 * default, what reaches it nevertheless, and what its death does.
 */
#include "kernel/terminal.h"

#define ALIVE 'a'

/* In init: kills process 1, that is its parent, from inside. */
static int kill_from_inside(void)
{
	static const int numbers[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGKILL, SIGSTOP
	};
	pid_t pid = (pid_t)MUST(fork());

	if (pid == 0) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			MUST(kill(1, numbers[i]));
		_exit(0);
	}
	return child_status(pid);
}

/* In init: a process that lives until it is killed and holds @fd till then. */
static void leave_someone(int fd)
{
	if (MUST(fork()))
		return;
	say(fd, ALIVE);
	for (;;)
		pause();
}

/* In init: somebody in its process group who tells of ^Z and ^C. */
static void leave_listener(int fd)
{
	sigset_t set;
	int number = 0;

	if (MUST(fork()))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTSTP);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	say(fd, 'l');
	while (number != SIGINT) {
		sigwait(&set, &number);
		say(fd, number == SIGINT ? 'c' : 'z');
	}
	_exit(0);
}

/* Init does as it is told, with every signal at its default. */
static void __attribute__((noreturn)) init(int fd, int slave)
{
	sigset_t set;
	int order;

	terminal_lead(slave);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	while ((order = hear(fd)) >= 0) {
		if (order == 'k' && kill_from_inside() != 0)
			_exit(1);
		if (order == 's' || order == 'l') {
			(order == 's' ? leave_someone : leave_listener)(fd);
			continue; /* who was left says the rest */
		}
		if (order == 'b')
			MUST(sigprocmask(SIG_BLOCK, &set, NULL));
		if (order == 'u') {
			say(fd, is_pending(SIGTERM) ? 'y' : 'n');
			MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
			continue;
		}
		say(fd, ALIVE);
	}
	_exit(0);
}

/* Returns what init answers, -1 when it is dead. */
static int ask(int fd, char order)
{
	if (send(fd, &order, 1, MSG_NOSIGNAL) != 1)
		return -1;
	return hear(fd);
}

static void default_actions(int fd, pid_t pid)
{
	tap_is(ask(fd, 'k'), ALIVE,
	       "signals from inside, also KILL and STOP, do nothing");
	MUST(kill(pid, SIGTERM));
	MUST(kill(pid, SIGINT));
	tap_is(ask(fd, '?'), ALIVE, "TERM and INT from the parent namespace do nothing");
	tap_is(ask(fd, 'b'), ALIVE, "once it blocks TERM");
	MUST(kill(pid, SIGTERM));
	tap_is(ask(fd, 'u'), 'y', "TERM is pending, so that a signalfd would tell");
	tap_is(ask(fd, '?'), ALIVE, "and does nothing when it is unblocked");
}

static void terminal(int fd, int master)
{
	tap_is(ask(fd, 'l'), 'l', "somebody in its process group");
	terminal_type(master, CTRL_Z);
	tap_is(hear(fd), 'z', "^Z of its terminal reaches the other one");
	tap_is(ask(fd, '?'), ALIVE, "and does nothing to it");
	terminal_type(master, CTRL_C);
	tap_is(hear(fd), 'c', "so does ^C");
	tap_is(ask(fd, '?'), ALIVE, "and does nothing to it");
}

int main(void)
{
	int fds[2], slave, master = terminal_new(&slave);
	pid_t pid;

	channel(fds);
	pid = fork_init();
	if (pid == 0) {
		close(fds[0]);
		close(master);
		init(fds[1], slave);
	}
	close(fds[1]);
	close(slave);
	tap_is(ask(fds[0], '?'), ALIVE, "process 1 of a PID namespace");
	default_actions(fds[0], pid);
	terminal(fds[0], master);

	tap_is(ask(fds[0], 's'), ALIVE, "a child that waits for nothing");
	MUST(kill(pid, SIGKILL));
	tap_is(child_status(pid), -SIGKILL, "KILL from the parent namespace kills it");
	/* the child had the other end: nobody has it when wait(2) returns */
	tap_is(RC(recv(fds[0], &(char){ 0 }, 1, MSG_DONTWAIT)), 0,
	       "and everybody inside, before wait(2) tells of it");
	return tap_end();
}
