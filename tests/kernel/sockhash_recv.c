/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a sender that blocks is never captured: recv(2) on a socket with an
 * sk_msg program waits once (tcp_msg_wait_data), and fails with EAGAIN when it
 * is woken and there is nothing to read. Plain TCP goes on waiting, or says
 * what has happened. Each is tried with both.
 */
#include "kernel/process.h"
#include "kernel/sockhash.h"

#define SENDER_KEY 1

static struct verdict verdict;
static int handled[2]; /* what the handler of a signal tells */

struct bench {
	int fds[2]; /* the socket, and its peer */
	pid_t reader;
	bool captured;
};

static void on_signal(int number)
{
	say(handled[1], 's');
}

/* The reader's exit status is 0, or the number of the error, or 200 for a byte. */
static void __attribute__((noreturn)) reader_run(int fds[2])
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	ssize_t n;
	char c;

	close(fds[1]);
	sigaction(SIGUSR1, &action, NULL);
	n = recv(fds[0], &c, 1, 0);
	_exit(n < 0 ? errno : n ? 200 : 0);
}

static char state_of(pid_t pid)
{
	char path[64], text[512] = "", *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
	n = MUST(read(fd, text, sizeof(text) - 1));
	close(fd);
	text[n] = '\0';
	at = strrchr(text, ')');
	return at && at[1] ? at[2] : '?';
}

/* proc(5), syscall: the number, or "running". */
static bool is_in_recv(pid_t pid)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		*text = '\0';
	if (fd >= 0)
		close(fd);
	return atol(text) == SYS_recvfrom;
}

static bool waits(pid_t pid)
{
	return state_of(pid) == 'S' && is_in_recv(pid);
}

static bool has_ended(pid_t pid)
{
	return state_of(pid) == 'Z';
}

static void begin(struct bench *b, bool captured)
{
	b->captured = captured;
	tcp_pair_sized(b->fds, 32 * 1024);
	if (captured)
		MUST(sockhash_add(verdict.sockets, SENDER_KEY, b->fds[0]));
	b->reader = child_fork();
	if (b->reader == 0)
		reader_run(b->fds);
	WAIT_UNTIL(waits(b->reader));
}

/* Returns what the reader's recv() said. */
static int end(struct bench *b)
{
	int status = child_status(b->reader);

	close_pair(b->fds);
	return status == 200 ? 1 : -status;
}

/*
 * The reader was woken for nothing: a captured socket says so. A plain one
 * waits, and is given a byte so that it ends.
 */
static void tap_woken(struct bench *b, const char *what)
{
	if (b->captured) {
		tap_is(end(b), -EAGAIN, what);
	} else {
		WAIT_UNTIL(waits(b->reader) || has_ended(b->reader));
		send(b->fds[1], "x", 1, MSG_NOSIGNAL);
		tap_is(end(b), 1, what);
	}
}

static void test_reset(bool captured)
{
	struct linger at_once = { .l_onoff = 1 };
	struct bench b;

	begin(&b, captured);
	MUST(setsockopt(b.fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(b.fds[1]);
	b.fds[1] = -1;
	tap_is(end(&b), captured ? -EAGAIN : -ECONNRESET, "a reset");
}

static void test_shutdown(bool captured)
{
	struct bench b;

	begin(&b, captured);
	MUST(shutdown(b.fds[0], SHUT_RD));
	tap_is(end(&b), captured ? -EAGAIN : 0, "shutdown(SHUT_RD) by somebody else");
}

static void test_signal(bool captured)
{
	struct bench b;

	begin(&b, captured);
	MUST(kill(b.reader, SIGUSR1));
	hear(handled[0]);
	tap_woken(&b, "a signal, in spite of SA_RESTART");
}

static void test_stop(bool captured)
{
	struct bench b;

	begin(&b, captured);
	MUST(kill(b.reader, SIGSTOP));
	MUST(waitpid(b.reader, NULL, WUNTRACED));
	MUST(kill(b.reader, SIGCONT));
	tap_woken(&b, "SIGSTOP and SIGCONT, which no handler sees");
}

static void test_write_space(bool captured)
{
	static char block[65536];
	struct bench b;
	int epoll;

	begin(&b, captured);
	while (send(b.fds[0], block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	epoll = watch(b.fds[0], EPOLLOUT | EPOLLET);
	do
		MUST(recv(b.fds[1], block, sizeof(block), 0));
	while (!(next_event(epoll, 0) & EPOLLOUT));
	close(epoll);
	tap_woken(&b, "room for a writer");
}

/*
 * Somebody else takes the byte before the reader runs. That needs luck: the
 * reader may be quicker, and one that has seen the byte goes on as on plain
 * TCP, and waits.
 */
static bool try_second_reader(struct bench *b)
{
	char c;

	begin(b, b->captured);
	MUST(send(b->fds[1], "x", 1, 0));
	/* it is there at once, but where the softirq is put off to its thread */
	return recv(b->fds[0], &c, 1, MSG_DONTWAIT) == 1;
}

static void test_second_reader(bool captured)
{
	struct bench b = { .captured = captured };
	int r = 1, tries = 0;

	while (r == 1 && tries++ < 1000) {
		if (!try_second_reader(&b)) {
			end(&b);
			continue;
		}
		WAIT_UNTIL(waits(b.reader) || has_ended(b.reader));
		if (has_ended(b.reader)) {
			r = end(&b);
			break;
		}
		send(b.fds[1], "y", 1, 0);
		r = end(&b);
		if (!captured)
			break;
	}
	tap_is(r, captured ? -EAGAIN : 1, "another reader that took what came");
	tap_diag("after %d tries", tries);
}

static void test_all(bool captured)
{
	tap_diag("%s", captured ? "captured: EAGAIN after" : "plain TCP:");
	test_reset(captured);
	test_shutdown(captured);
	test_signal(captured);
	test_stop(captured);
	test_write_space(captured);
	test_second_reader(captured);
}

int main(void)
{
	cpu_set_t cpu;

	verdict_open(&verdict, BPF_PROG_TYPE_SK_MSG, false);
	channel(handled);
	/* on the same CPU a reader that is woken does not run as long as we do */
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	MUST(sched_setaffinity(0, sizeof(cpu), &cpu));
	test_all(false);
	test_all(true);
	verdict_close(&verdict);
	return tap_end();
}
