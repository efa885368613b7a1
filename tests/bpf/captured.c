/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a captured sender needs from the forwarder, and what the kernel makes
 * of it: why the rules are as they are.
 */
#include <fcntl.h>
#include <stdio.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/tcp.h"
#include "bpf/line.h"

/* A push that fails although the verdict saw room. */
/*
 * The next push fails: bytes are unsent, which TCP_NOTSENT_LOWAT makes a
 * reason to wait, and the room check does not know that.
 */
static bool provoke(struct bench *b)
{
	static char block[65536];
	int unsent = 0;

	for (int i = 0; i < 64 && !unsent; i++) {
		/* MSG_EOR: and the next bytes are no part of this segment */
		if (send(C(b), block, sizeof(block), MSG_DONTWAIT | MSG_EOR) <= 0)
			return false;
		MUST(ioctl(A(b), SIOCOUTQNSD, &unsent));
	}
	set_option(A(b), IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1);
	errno = 0;
	return send(C(b), block, sizeof(block), MSG_DONTWAIT) < 0 && errno == EAGAIN &&
	       !poll_now(B(b), POLLIN);
}

static void test_rescue(struct shunt *shunt)
{
	struct shunt_tools tools = shunt_tools(shunt);
	struct bench b;
	int epoll;

	begin(&b, shunt, 8192);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	tap_ok(provoke(&b), "EAGAIN, and nothing was relayed");
	epoll = watch(C(&b), EPOLLOUT | EPOLLET);
	tap_edge(epoll, EPOLLOUT, "the sender's own socket is writable");
	tap_edge(epoll, 0, "so that no edge will come by itself");
	shunt_ask(shunt, &b.pair.down, SHUNT_ASK_LOOK);
	tap_ok(shunt_walk(&tools) > 0 && !shunt_is_asked(shunt, &b.pair.down, SHUNT_ASK_LOOK),
	       "it is looked after");
	tap_edge(epoll, 0, "but waits for nothing that the kernel knows of");
	tap_ok(shunt_ask(shunt, &b.pair.down, SHUNT_ASK_EDGE), "a rescue is asked for");
	tap_ok(!shunt_ask(shunt, &b.pair.down, SHUNT_ASK_EDGE), "once");
	tap_ok(shunt_walk(&tools) > 0, "and made");
	tap_edge(epoll, EPOLLOUT, "the edge is there");
	tap_ok(shunt_ask(shunt, &b.pair.down, SHUNT_ASK_EDGE), "the next one can be asked for");
	tap_ok(say(C(&b), "relayed") && waits_for(B(&b), "relayed"),
	       "the failed push leaves its mark: what follows takes the relay leg");
	close(epoll);
	end(&b);
}

static void test_watched(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	shunt_watch(shunt, &b.pair.down, false);
	tap_ok(say(C(&b), "alone") && waits_for(B(&b), "alone"),
	       "while nobody watches, the relay leg is taken");
	shunt_watch(shunt, &b.pair.down, true);
	tap_ok(say(C(&b), "direct") && waits_for(D(&b), "direct"), "else not");
	end(&b);
}

static void test_more(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	tap_is((int)send(C(&b), "held", 4, MSG_DONTWAIT | MSG_MORE), 4,
	       "a message with MSG_MORE");
	tap_ok(!*arrived(D(&b)), "is held back by the target");
	tcp_flush(A(&b));
	tap_ok(waits_for(D(&b), "held"), "until it is flushed");
	end(&b);
}

/* What a walk makes of the limit of what waits unsent in C. */
static int limited(struct shunt *shunt, struct bench *b, enum shunt_ask what)
{
	struct shunt_tools tools = shunt_tools(shunt);

	tap_ok(shunt_ask(shunt, &b->pair.down, what), "a queue's length is asked for");
	tap_ok(shunt_walk(&tools) > 0, "and made");
	return get_option(C(b), IPPROTO_TCP, TCP_NOTSENT_LOWAT);
}

static void test_shrink(struct shunt *shunt)
{
	struct bench b;
	int sndbuf;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	sndbuf = get_option(C(&b), SOL_SOCKET, SO_SNDBUF);
	tap_is(limited(shunt, &b, SHUNT_ASK_EDGE), 0, "to wake a sender sets no limit");
	tap_is(get_option(C(&b), SOL_SOCKET, SO_SNDBUF), sndbuf, "nor changes its SO_SNDBUF");
	/* which would count as the application's choice */
	tap_is(limited(shunt, &b, SHUNT_ASK_SHRINK), 147456, "a sender's queue can be shortened");
	tap_is(limited(shunt, &b, SHUNT_ASK_SHRINK), 147456, "once");
	tap_is(limited(shunt, &b, SHUNT_ASK_GROW), 0, "and be as it was");
	set_option(C(&b), IPPROTO_TCP, TCP_NOTSENT_LOWAT, 5000);
	tap_is(limited(shunt, &b, SHUNT_ASK_SHRINK), 5000, "unless the application chose that");
	tap_is(limited(shunt, &b, SHUNT_ASK_GROW), 5000, "which stays");
	set_option(C(&b), IPPROTO_TCP, TCP_NOTSENT_LOWAT, 147456);
	tap_is(limited(shunt, &b, SHUNT_ASK_GROW), 147456, "even where it is what we would choose");
	end(&b);
	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	set_option(C(&b), SOL_SOCKET, SO_SNDBUF, 200000);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	tap_is(limited(shunt, &b, SHUNT_ASK_SHRINK), 0, "or its length");
	end(&b);
}

/* R has read the FIN, so the numbers are equal; T is not yet shut down. */
/* A corked sender keeps a part of a segment, and its queue is never empty. */
static void test_corked(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	set_option(C(&b), IPPROTO_TCP, TCP_CORK, 1);
	tap_is(capture_server(&b), SHUNT_CORKED, "a sender that corks is not captured");
	set_option(C(&b), IPPROTO_TCP, TCP_CORK, 0);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "one that corks no longer is");
	say(C(&b), "redirected");
	tap_ok(waits_for(D(&b), "redirected") && !shunt_is_corked(shunt, &b.pair.down),
	       "and redirected");
	set_option(C(&b), IPPROTO_TCP, TCP_CORK, 1);
	say(C(&b), "again");
	tap_ok(waits_for(D(&b), "again") && shunt_is_corked(shunt, &b.pair.down),
	       "what it does later is seen");
	tap_is(shunt_messages(shunt, &b.pair.down), 2, "two messages were redirected");
	end(&b);
}

/* Where FIONREAD is wrong on a captured socket with unread bytes. */
static void test_unread(struct shunt *shunt)
{
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	shunt_only_drained(shunt, &b.pair.down);
	say(B(&b), "unread");
	wait_for(C(&b), POLLIN);
	tap_is(capture_server(&b), SHUNT_UNREAD, "a sender with unread bytes is not captured");
	tap_ok(waits_for(C(&b), "unread"), "it reads them");
	tap_is(capture_server(&b), SHUNT_CAPTURED, "one without is");
	shunt_evict(shunt, &b.pair.down);
	tap_ok(!shunt_is_captured(shunt, &b.pair.down), "it is plain TCP at once");
	tap_is(capture_server(&b), SHUNT_CAPTURED, "and can be captured again");
	end(&b);
}

static void test_shut_down(struct shunt *shunt)
{
	struct bench b;
	char c;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	MUST(shutdown(C(&b), SHUT_WR));
	wait_for(B(&b), POLLIN);
	tap_is(RC(recv(B(&b), &c, 1, 0)), 0, "the relay has read its end");
	tap_is(RC(send(C(&b), "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL)), -EPIPE,
	       "what is sent after that is refused");
	tap_ok(!*arrived(D(&b)), "and goes nowhere");
	end(&b);
}

static void test_long_writes(struct shunt *shunt)
{
	static char much[300000];
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	tap_is(RC(send(C(&b), much, 200000, MSG_DONTWAIT)), 200000, "a write of some length");
	tap_ok(!shunt_writes_long(shunt, &b.pair.down), "is nothing to take note of");
	tap_is(RC(recv(D(&b), much, 200000, MSG_WAITALL)), 200000, "it arrives");
	tap_ok(send(C(&b), much, sizeof(much), MSG_DONTWAIT) > 0, "a longer one");
	tap_ok(shunt_writes_long(shunt, &b.pair.down), "is");
	end(&b);
}

/*
 * The edge that nobody asked for: a push that failed left its mark on T, and
 * so the forwarder learns that it is to rescue S.
 */
static void test_room_told(struct shunt *shunt)
{
	static char block[65536];
	struct bench b;
	int epoll;

	begin(&b, shunt, 8192);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	epoll = watch(A(&b), EPOLLOUT | EPOLLET);
	tap_edge(epoll, EPOLLOUT, "the target is writable");
	tap_ok(provoke(&b), "a push failed, nothing was relayed");
	tap_edge(epoll, 0, "no edge while nobody reads");
	do
		MUST(recv(D(&b), block, sizeof(block), 0));
	while (!(next_event(epoll, 0) & EPOLLOUT));
	tap_ok(true, "and one when there is room");
	close(epoll);
	end(&b);
}

/* The sequence numbers of S's own leg stay, so that they tell what is relayed. */
static void test_own_leg(struct shunt *shunt)
{
	struct bench b;
	unsigned long before;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	before = tcp_info(C(&b)).tcpi_bytes_sent;
	tap_ok(say(C(&b), "direct") && waits_for(D(&b), "direct"), "redirected");
	tap_ok(tcp_info(C(&b)).tcpi_bytes_sent == before, "and not sent by itself");
	end(&b);
}

/* Is it asleep in the kernel? Its system call, by number: proc(5), syscall. */
static bool is_in_recv(pid_t pid)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
	MUST(read(fd, text, sizeof(text) - 1));
	close(fd);
	return atol(text) == SYS_recvfrom && strncmp(text, "running", 7) != 0;
}

/* Why a sender that blocks is never captured (tcp_bpf_recvmsg does not wait twice). */
static void test_blocking_recv(struct shunt *shunt)
{
	struct bench b;
	pid_t pid;
	char c;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	set_nonblock(C(&b), false);
	pid = (pid_t)MUST(fork());
	if (pid == 0) {
		WAIT_UNTIL(is_in_recv(getppid()));
		_exit(shutdown(C(&b), SHUT_RD) < 0);
	}
	errno = 0;
	tap_is(recv(C(&b), &c, 1, 0) < 0 ? errno : 0, EAGAIN,
	       "recv() that shutdown() wakes says EAGAIN, where plain TCP says 0");
	MUST(waitpid(pid, NULL, 0));
	end(&b);
}

/* Who blocks now and does not send: no verdict sees it. */
static void test_turned(struct shunt *shunt)
{
	struct shunt_tools tools = shunt_tools(shunt);
	struct bench b;

	begin(&b, shunt, 0);
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "captured");
	shunt_ask(shunt, &b.pair.down, SHUNT_ASK_LOOK);
	tap_ok(shunt_walk(&tools) > 0 && shunt_is_captured(shunt, &b.pair.down),
	       "who is looked after stays");
	set_nonblock(C(&b), false);
	shunt_ask(shunt, &b.pair.down, SHUNT_ASK_LOOK);
	tap_ok(shunt_walk(&tools) > 0 && !shunt_is_captured(shunt, &b.pair.down),
	       "unless it blocks now");
	set_nonblock(C(&b), true);
	tap_is(capture_server(&b), SHUNT_CAPTURED, "it is in nobody's map");
	end(&b);
}

int main(void)
{
	struct shunt *shunt;
	struct error err;

	if (shunt_open(&shunt, &err) < 0)
		tap_skip_all(err.text);
	test_own_leg(shunt);
	test_watched(shunt);
	test_more(shunt);
	test_rescue(shunt);
	test_room_told(shunt);
	test_shrink(shunt);
	test_long_writes(shunt);
	test_shut_down(shunt);
	test_corked(shunt);
	test_unread(shunt);
	test_turned(shunt);
	test_blocking_recv(shunt);
	shunt_close(shunt);
	return tap_end();
}
