/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shunt's maps and programs: what makes a redirection exact, and what must
 * keep a sender off it. Named after the rules of bpf/shunt.bpf.c.
 */
#include <linux/net_tstamp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "bpf/line.h"
#include "kernel/sockhash.h"

static void test_redirects(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "a non-blocking sender is captured");
	tap_ok(say(C(&b), "direct"), "its send succeeds");
	tap_ok(waits_for(D(&b), "direct"), "the bytes are at the receiver");
	tap_is((int)shunt_redirected(shunt, &b.pair.down), 6, "and counted");
	tap_ok(!*arrived(B(&b)), "and not on the relay leg");
	tap_ok(say(D(&b), "back") && waits_for(A(&b), "back"),
	       "the other direction is not concerned");
	end(&b);
}

static void test_hand_over(struct shunt *shunt)
{
	struct bench b;
	__u64 *pending;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	pending = shunt_pending(shunt, &b.pair.down);
	tap_ok(say(C(&b), "one"), "sent before the capture");
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured with bytes on the way");
	tap_ok(say(C(&b), "two"), "sent while they are not read");
	tap_ok(!*arrived(D(&b)), "nothing overtakes them");
	*pending = 1;
	tap_ok(waits_for(B(&b), "onetwo"), "the relay leg has both, in order");
	tap_ok(say(C(&b), "three"), "sent while they are read and not yet written");
	tap_ok(!*arrived(D(&b)), "nothing overtakes those either");
	tap_ok(waits_for(B(&b), "three"), "it took the relay leg");
	*pending = 0;
	tap_ok(say(C(&b), "four") && waits_for(D(&b), "four"),
	       "all read and all written: direct from here on");
	end(&b);
}

static void test_room(struct shunt *shunt)
{
	static char block[16384];
	struct bench b;
	int sent = 0;

	begin(&b, shunt, 8192);
	set_nonblock(C(&b), true);
	set_option(A(&b), SOL_SOCKET, SO_SNDBUF, 65536);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured, and nobody reads");
	while (sent < 1000 && send(C(&b), block, sizeof(block), MSG_DONTWAIT) > 0 &&
	       !(poll_now(B(&b), POLLIN) & POLLIN))
		sent++;
	tap_ok(sent > 0 && sent < 1000, "a target without room sends to the relay leg");
	tap_diag("after %d writes of 16 KiB", sent);
	end(&b);
}

static void test_missing_target(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	close(A(&b));
	tap_ok(say(C(&b), "late") && waits_for(B(&b), "late"),
	       "a target that is gone means the relay leg, not EACCES");
	b.left[1] = (int)MUST(dup(D(&b)));
	end(&b);
}

static void test_blocking(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	tap_is(capture_server(&b), SHUNT_BLOCKING, "a blocking sender is left alone");
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "it is taken once it is non-blocking");
	tap_ok(!shunt_wants_eviction(shunt, &b.pair.down), "and may stay");
	set_nonblock(C(&b), false);
	tap_ok(say(C(&b), "passed") && waits_for(B(&b), "passed"),
	       "one that blocks again takes the relay leg");
	tap_ok(shunt_wants_eviction(shunt, &b.pair.down), "and is to be let go");
	tap_ok(shunt_is_captured(shunt, &b.pair.down), "it is in yet");
	shunt_evict(shunt, &b.pair.down);
	tap_ok(!shunt_is_captured(shunt, &b.pair.down), "it is out");
	set_nonblock(C(&b), true);
	tap_ok(say(C(&b), "plain") && waits_for(B(&b), "plain"), "it is plain TCP again");
	end(&b);
}

static void test_late_options(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	set_option(C(&b), SOL_SOCKET, SO_ZEROCOPY, 1);
	tap_ok(say(C(&b), "passed") && waits_for(B(&b), "passed"),
	       "SO_ZEROCOPY set later means the relay leg");
	tap_ok(shunt_wants_eviction(shunt, &b.pair.down), "and to be let go");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	set_option(C(&b), SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE);
	tap_ok(say(C(&b), "passed") && waits_for(B(&b), "passed"),
	       "SO_TIMESTAMPING set later means the relay leg");
	tap_ok(shunt_wants_eviction(shunt, &b.pair.down), "and to be let go");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	set_option(C(&b), SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30);
	tap_ok(say(C(&b), "passed") && waits_for(B(&b), "passed"),
	       "SO_MAX_PACING_RATE set later means the relay leg");
	tap_ok(shunt_wants_eviction(shunt, &b.pair.down), "and to be let go");
	end(&b);
}

static void test_unsuitable(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	set_option(C(&b), SOL_SOCKET, SO_ZEROCOPY, 1);
	tap_is(capture_server(&b), SHUNT_UNSUITABLE, "SO_ZEROCOPY is left alone");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	set_option(C(&b), SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE);
	tap_is(capture_server(&b), SHUNT_UNSUITABLE, "so is SO_TIMESTAMPING");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	set_option(C(&b), SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30);
	tap_is(capture_server(&b), SHUNT_UNSUITABLE, "so is SO_MAX_PACING_RATE");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	MUST(shutdown(C(&b), SHUT_WR));
	tap_is(capture_server(&b), SHUNT_ENDING, "so is one that has shut down");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	/* many kernels are built without TLS, Debian's are not */
	if (setsockopt(C(&b), IPPROTO_TCP, TCP_ULP, "tls", 3) == 0)
		tap_is(capture_server(&b), SHUNT_UNSUITABLE, "so is one that has TLS in the kernel");
	else
		tap_is(-errno, -ENOENT, "this kernel has no TLS");
	end(&b);
}

static void test_foreign(struct shunt *shunt)
{
	struct verdict foreign;
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	verdict_open(&foreign, BPF_PROG_TYPE_SK_MSG, false);
	MUST(sockhash_add(foreign.sockets, 1, C(&b)));
	tap_is(capture_server(&b), SHUNT_REFUSED, "one that somebody else's verdict has is refused");
	tap_ok(!shunt_is_captured(shunt, &b.pair.down), "and not taken for captured");
	tap_ok(say(C(&b), "theirs") && waits_for(B(&b), "theirs"), "its bytes still flow");
	tap_is(verdict_runs(&foreign), 1, "by that verdict");
	sockhash_delete(foreign.sockets, 1);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "once it is let go, it is taken");
	tap_ok(say(C(&b), "ours") && waits_for(D(&b), "ours"), "and its bytes are redirected");
	verdict_close(&foreign);
	end(&b);
}

static void test_release(struct shunt *shunt)
{
	struct bench b;
	struct shunt_side old;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	old = b.pair.down;
	shunt_pair_close(shunt, &b.pair);
	tap_ok(say(C(&b), "plain") && waits_for(B(&b), "plain"),
	       "a sender that is let go is plain TCP again");
	tap_is(shunt_capture_here(shunt, &old), SHUNT_NO_FLOW, "its slot is free");
	tap_is(shunt_pair_open(shunt, &b.pair, A(&b), B(&b)), 0, "both can be had again");
	tap_is(shunt_capture_here(shunt, &old), SHUNT_NO_FLOW,
	       "a capture that comes late does not take the slot's new owner");
	*shunt_pending(shunt, &b.pair.down) = 0;
	shunt_watch(shunt, &b.pair.down, true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "and so can the sender");
	tap_ok(say(C(&b), "again") && waits_for(D(&b), "again"), "under its new id");
	end(&b);
}

static void test_full(struct shunt *shunt)
{
	static struct shunt_pair pairs[SHUNT_FLOWS_MAX / 2];
	struct shunt_pair one_more = { 0 };
	size_t n = 0, most = SHUNT_FLOWS_MAX / 2;
	struct bench b;
	int r = 0;

	begin(&b, shunt, 0);
	shunt_pair_close(shunt, &b.pair);
	while (n < most && r == 0) {
		r = shunt_pair_open(shunt, &pairs[n], A(&b), B(&b));
		n += r == 0;
	}
	tap_is((int)n, (int)most, "as many connections as it has flows for");
	tap_is(shunt_pair_open(shunt, &one_more, A(&b), B(&b)), -ENOSPC, "no more");
	tap_ok(!one_more.client_key && !one_more.up.id, "and nothing is taken for it");
	shunt_pair_close(shunt, &pairs[n / 2]);
	tap_is(shunt_pair_open(shunt, &one_more, A(&b), B(&b)), 0, "until one ends");
	shunt_pair_close(shunt, &one_more);
	for (size_t i = 0; i < n; i++)
		shunt_pair_close(shunt, &pairs[i]);
	tap_is(shunt_pair_open(shunt, &b.pair, A(&b), B(&b)), 0, "all can be had again");
	*shunt_pending(shunt, &b.pair.down) = 0;
	shunt_watch(shunt, &b.pair.down, true);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "and are of use");
	end(&b);
}

/* The netns child has no capability but the descriptor of the program. */
static void test_elsewhere(struct shunt *shunt)
{
	struct bench b;
	int status;
	pid_t pid;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(unshare(CLONE_NEWNET));
		_exit(capture_server(&b) == SHUNT_NO_SENDER ? 0 : 1);
	}
	MUST(waitpid(pid, &status, 0));
	tap_is(status, 0, "a capture looks into its own network namespace only");
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		MUST(setresuid(65534, 65534, 65534));
		_exit(capture_server(&b) == SHUNT_CAPTURED ? 0 : 1);
	}
	MUST(waitpid(pid, &status, 0));
	tap_is(status, 0, "and needs no capability");
	end(&b);
}

static void on_alarm(int number)
{
}

/* A signal in the middle of the load, wherever that is. */
static void test_interrupted(void)
{
	struct shunt *shunt;
	struct error err;
	unsigned int deadline = alarm(0);
	sighandler_t at_deadline = signal(SIGALRM, on_alarm);
	int failed = 0;

	for (int us = 200; us <= 6000; us += 200) {
		struct itimerval once = { .it_value = { .tv_usec = us } };

		setitimer(ITIMER_REAL, &once, NULL);
		if (shunt_open(&shunt, &err) < 0)
			failed++;
		else
			shunt_close(shunt);
	}
	signal(SIGALRM, at_deadline);
	alarm(deadline);
	tap_is(failed, 0, "a signal during the load is survived");
}

int main(void)
{
	struct shunt *shunt;
	struct error err;

	if (shunt_open(&shunt, &err) < 0)
		tap_skip_all(err.text);
	test_interrupted();
	test_redirects(shunt);
	test_hand_over(shunt);
	test_room(shunt);
	test_missing_target(shunt);
	test_blocking(shunt);
	test_late_options(shunt);
	test_unsuitable(shunt);
	test_foreign(shunt);
	test_release(shunt);
	test_full(shunt);
	test_elsewhere(shunt);
	shunt_close(shunt);
	return tap_end();
}
