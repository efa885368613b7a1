/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender that is taken out of the sockhash in the middle of its writes is
 * plain TCP from there on: what it wrote before is where the verdict had it go,
 * the rest is on its own connection, and nothing is lost or there twice.
 */
#include "kernel/process.h"
#include "kernel/sockhash.h"

#define SENDER_KEY 1
#define TOTAL (4 << 20)
#define DELETE_AFTER (1 << 20)

static unsigned char data[TOTAL], got[TOTAL];

/* Writes of many lengths, which may be taken in part. */
static int write_all(int fd)
{
	size_t at = 0, n = 1;

	while (at < TOTAL) {
		ssize_t r = send(fd, data + at, n < TOTAL - at ? n : TOTAL - at, MSG_DONTWAIT);

		if (r > 0)
			at += (size_t)r;
		else if (errno == EAGAIN)
			/* a redirected one is not told when there is room */
			sched_yield();
		else
			return errno;
		n = n * 5 % 70001 + 1;
	}
	return 0;
}

/* Reads what is there. */
static size_t take(int fd, unsigned char *into, size_t room)
{
	ssize_t n = recv(fd, into, room, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

/* The first part comes by the target, the rest by the sender's own connection. */
static void test_delete(bool redirects)
{
	size_t by_target = 0, own = 0, at_delete = 0;
	static unsigned char rest[TOTAL];
	struct verdict verdict;
	int left[2], right[2];
	bool deleted = false;
	long runs = 0;
	pid_t writer;

	verdict_open(&verdict, BPF_PROG_TYPE_SK_MSG, redirects);
	tcp_pair_sized(left, 64 * 1024);
	tcp_pair_sized(right, 64 * 1024);
	MUST(sockhash_add(verdict.targets, TARGET_KEY, right[0]));
	MUST(sockhash_add(verdict.sockets, SENDER_KEY, left[0]));
	writer = child_fork();
	if (writer == 0)
		_exit(write_all(left[0]));
	tap_waits_for = "all bytes";
	while (by_target + own < TOTAL) {
		by_target += take(right[1], got + by_target, TOTAL - by_target);
		own += take(left[1], rest + own, TOTAL - own);
		if (!deleted && by_target + own >= DELETE_AFTER) {
			sockhash_delete(verdict.sockets, SENDER_KEY);
			at_delete = by_target + own;
			deleted = true;
		}
	}
	tap_is(child_status(writer), 0, redirects ? "a redirected sender writes all" :
						    "so does one that is passed");
	tap_ok(redirects ? by_target >= at_delete : !by_target,
	       "until it was let go, the verdict held");
	tap_ok(own > TOTAL / 4, "after that its own connection has it all");
	tap_diag("let go after %zu, %zu by the target, %zu by itself", at_delete, by_target, own);
	memcpy(got + by_target, rest, own);
	tap_ok(memcmp(got, data, TOTAL) == 0, "nothing is lost");
	runs = verdict_runs(&verdict);
	MUST(send(left[0], "x", 1, 0));
	tap_is(verdict_runs(&verdict), runs, "the program is not run any more");
	tap_ok(!take(right[1], rest, 1) && recv(left[1], rest, 2, 0) == 1, "and nothing is there twice");
	close_pair(left);
	close_pair(right);
	verdict_close(&verdict);
}

int main(void)
{
	for (size_t i = 0; i < TOTAL; i++)
		data[i] = (unsigned char)(i * 7 + (i >> 8) * 3 + (i >> 16));
	test_delete(true);
	test_delete(false);
	return tap_end();
}
