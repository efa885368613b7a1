/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the shunt never redirects into a full target, and counts nothing in its
 * verdict. A message that is redirected into a full target fails with EAGAIN,
 * while the sender's own socket is writable, so that no edge of it will ever
 * come. And when what the verdict passed does not all fit in the sender's own
 * socket, the kernel keeps the verdict for the next message, and the program
 * is not run for that (tcp_bpf_send_verdict: psock->eval is cleared before a
 * redirection, and else only after a push that went well).
 */
#include "kernel/sockhash.h"

#define SENDER_KEY 1

static char block[256 * 1024], got[sizeof(block)];

struct bench {
	struct verdict verdict;
	int own[2];    /* the sender, and whom it is connected to */
	int target[2]; /* where it is redirected to, and who reads there */
};

static void begin(struct bench *b, bool redirects)
{
	verdict_open(&b->verdict, BPF_PROG_TYPE_SK_MSG, redirects);
	tcp_pair_sized(b->own, 32 * 1024);
	tcp_pair_sized(b->target, 32 * 1024);
	set_nonblock(b->own[0], true);
	MUST(sockhash_add(b->verdict.targets, TARGET_KEY, b->target[0]));
	MUST(sockhash_add(b->verdict.sockets, SENDER_KEY, b->own[0]));
}

static void end(struct bench *b)
{
	close_pair(b->own);
	close_pair(b->target);
	verdict_close(&b->verdict);
}

/*
 * What @fd has sent or is going to send. bytes_sent counts what is sent again
 * too, as a last segment is whose acknowledgement a busy machine delays.
 */
static size_t queued(int fd)
{
	struct tcp_info info = tcp_info(fd);

	return info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
}

static size_t drain(int fd, size_t size)
{
	size_t n = 0;

	while (n < size)
		n += (size_t)MUST(recv(fd, got, sizeof(got), 0));
	return n;
}

static void test_target(void)
{
	struct bench b;
	size_t sent = 0;
	ssize_t n;
	long runs;
	int epoll;

	begin(&b, true);
	while ((n = send(b.own[0], block, sizeof(block), 0)) > 0)
		sent += (size_t)n;
	tap_is(-errno, -EAGAIN, "a target that nobody reads is full in the end");
	tap_ok(sent > 0 && !queued(b.own[0]), "all that was sent went there");
	epoll = watch(b.own[0], EPOLLOUT | EPOLLET);
	tap_edge(epoll, EPOLLOUT, "the sender's own socket is writable");
	/* as soon as no late acknowledgement makes room in the target any more */
	do {
		runs = verdict_runs(&b.verdict);
		n = RC(send(b.own[0], "x", 1, 0));
		sent += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	tap_is(n, -EAGAIN, "and a send on it fails");
	tap_is(verdict_runs(&b.verdict), runs + 1, "for which the program was run");
	tap_ok(drain(b.target[1], sent) == sent, "when all has been read,");
	wait_for(b.target[0], POLLOUT);
	tap_edge(epoll, 0, "no edge comes");
	runs = verdict_runs(&b.verdict);
	tap_is(RC(send(b.own[0], "y", 1, 0)), 1, "although there is room");
	tap_is(verdict_runs(&b.verdict), runs + 1, "as a next try finds out");
	tap_ok(recv(b.target[1], got, 1, 0) == 1 && *got == 'y', "by another redirection");
	close(epoll);
	end(&b);
}

static void test_own(void)
{
	struct bench b;
	ssize_t sent;
	long runs;

	begin(&b, false);
	sent = send(b.own[0], block, sizeof(block), 0);
	tap_ok(sent > 0 && sent < (ssize_t)sizeof(block), "a message that fits in part");
	runs = verdict_runs(&b.verdict);
	tap_diag("%zd of %zu bytes, %ld runs", sent, sizeof(block), runs);
	drain(b.own[1], (size_t)sent);
	wait_for(b.own[0], POLLOUT);
	tap_is(RC(send(b.own[0], "x", 1, 0)), 1, "the next one fits");
	tap_is(verdict_runs(&b.verdict), runs, "and the program is not run for it");
	tap_is(RC(send(b.own[0], "y", 1, 0)), 1, "but for the one");
	tap_is(verdict_runs(&b.verdict), runs + 1, "after that");
	tap_ok(recv(b.own[1], got, 2, MSG_WAITALL) == 2 && memcmp(got, "xy", 2) == 0,
	       "nothing is lost, and nothing is there twice");
	tap_is((long)queued(b.own[0]), sent + 2, "nor is anything that was not accepted");
	end(&b);
}

int main(void)
{
	test_target();
	test_own();
	return tap_end();
}
