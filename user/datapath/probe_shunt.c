/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shunt's self-tests, with its real maps and programs and this process in
 * the place of the forwarder:
 *
 *     D ──── A  (the forwarder)  B ──── C
 *
 * tests/bpf/shunt.c has the rules one by one; these are about the kernel.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "datapath/datapath.h"
#include "datapath/probe.h"
#include "datapath/shunt.h"
#include "datapath/walker.h"

/* What a connection's worth of memory takes at most: not to be reached. */
#define WRITES_MAX 64

/* It takes a millisecond, unless it hangs. */
#define WALK_WAIT_MS 1000

struct line {
	struct shunt *shunt;
	struct probe_pair left;	 /* D connected, A accepted */
	struct probe_pair right; /* B connected, C accepted */
	struct shunt_pair pair;
};

#define D(l) ((l)->left.connected)
#define A(l) ((l)->left.accepted)
#define B(l) ((l)->right.connected)
#define C(l) ((l)->right.accepted)

static void line_close(struct line *l)
{
	shunt_pair_close(l->shunt, &l->pair);
	probe_pair_close(&l->left);
	probe_pair_close(&l->right);
}

static int line_open(struct line *l, struct shunt *shunt, struct probe *p)
{
	int r;

	*l = (struct line){ .shunt = shunt, .left = { -1, -1 }, .right = { -1, -1 } };
	/* a small window, so that a target that is not read is soon full */
	r = probe_pair_open(&l->left, 8192, p);
	if (r >= 0)
		r = probe_pair_open(&l->right, 0, p);
	if (r < 0)
		return r;
	r = shunt_pair_open(shunt, &l->pair, A(l), B(l));
	if (r < 0)
		probe_errno(p, r, "sockets cannot become targets");
	if (r < 0)
		return r;
	*shunt_pending(shunt, &l->pair.down) = 0;
	shunt_watch(shunt, &l->pair.down, true);
	return 0;
}

static int capture(struct line *l, struct probe *p)
{
	int r = shunt_capture_here(l->shunt, &l->pair.down);

	if (r < 0)
		probe_errno(p, r, "a sender cannot be captured");
	else if (r != SHUNT_CAPTURED)
		probe_set(p, PROBE_FAILED, "", "a sender is not captured (%d)", r);
	return r == SHUNT_CAPTURED ? 0 : -1;
}

static int expect(int fd, const char *text, struct probe *p, const char *what)
{
	int r = probe_hears(fd, text);

	if (r < 0)
		probe_errno(p, r, what);
	return r;
}

/* Each of these leaves @p as it is, or says what went wrong. */
static void redirects(struct line *l, struct probe *p)
{
	if (probe_says(C(l), "relayed", p) < 0 ||
	    expect(B(l), "relayed", p, "what was sent before the capture is lost") < 0 ||
	    probe_says(A(l), "relayed", p) < 0 || capture(l, p) < 0 ||
	    probe_says(C(l), " redirected", p) < 0)
		return;
	expect(D(l), "relayed redirected", p, "redirected bytes do not arrive in order");
}

static void is_captured(struct line *l, struct probe *p)
{
	if (capture(l, p) >= 0)
		probe_set(p, PROBE_OK, "", "%s", shunt_capture_way(l->shunt));
}

/* What forwarder/capture.c relies on where FIONREAD is wrong on a captured socket. */
static void keeps_fionread(struct line *l, struct probe *p)
{
	int waiting = -1;

	shunt_only_drained(l->shunt, &l->pair.down);
	if (probe_says(B(l), "unread", p) < 0)
		return;
	probe_wait(C(l), POLLIN);
	if (shunt_capture_here(l->shunt, &l->pair.down) != SHUNT_UNREAD) {
		probe_set(p, PROBE_FAILED, "", "a sender is captured although it has unread bytes");
		return;
	}
	if (expect(C(l), "unread", p, "bytes do not arrive") < 0 || capture(l, p) < 0)
		return;
	shunt_evict(l->shunt, &l->pair.down);
	if (probe_says(B(l), "again", p) < 0)
		return;
	probe_wait(C(l), POLLIN);
	if (ioctl(C(l), FIONREAD, &waiting) < 0 || waiting != 5)
		probe_set(p, PROBE_FAILED, "", "FIONREAD is wrong after a capture, too");
}

static void rings(struct line *l, struct probe *p)
{
	if (capture(l, p) < 0)
		return;
	*shunt_pending(l->shunt, &l->pair.down) = 1;
	if (probe_says(C(l), "doorbell", p) < 0 ||
	    expect(B(l), "doorbell", p, "what is not redirected does not get through") < 0)
		return;
	*shunt_pending(l->shunt, &l->pair.down) = 0;
	if (probe_says(C(l), "again", p) >= 0)
		expect(D(l), "again", p, "a sender is not redirected again");
}

static void outlives_target(struct line *l, struct probe *p)
{
	struct shunt_pair target = { .client_key = l->pair.client_key };

	if (capture(l, p) < 0)
		return;
	/* out of the map alone: were it closed, the sender could see that before */
	shunt_pair_close(l->shunt, &target);
	if (probe_says(C(l), "late", p) >= 0)
		expect(B(l), "late", p, "a target that is gone swallows bytes");
}

/* Fill T behind the back of the room check. Returns 0 when a push has failed. */
static int provoke(struct line *l, struct probe *p)
{
	static const char block[65536];
	const int little = 1;
	int unsent = 0;
	char c;

	for (int i = 0; i < WRITES_MAX && !unsent; i++) {
		/* MSG_EOR: the next bytes are no part of this segment */
		if (send(C(l), block, sizeof(block),
			 MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR) < 0)
			break;
		ioctl(A(l), SIOCOUTQNSD, &unsent);
	}
	/* bytes that are unsent are a reason to wait now, and the check is not told */
	setsockopt(A(l), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &little, sizeof(little));
	if (unsent && send(C(l), block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    recv(B(l), &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
		return 0;
	probe_set(p, PROBE_IMPOSSIBLE, "", "no redirection into a full socket can be provoked");
	return -1;
}

static int edge(int epoll, int wait_ms)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, wait_ms) == 1;
}

/* As in use: by a process that may hang. */
static int walk(struct child *w, const struct shunt_tools *tools)
{
	struct pollfd pfd = { .events = POLLIN };
	struct walker_answer answer;
	int r = walker_start(w, tools);

	if (r >= 0)
		r = walker_ask(w->fd, WALKER_SOCKETS);
	if (r < 0)
		return r;
	pfd.fd = w->fd;
	if (poll(&pfd, 1, WALK_WAIT_MS) != 1)
		return -ETIMEDOUT;
	r = walker_answer(w->fd, &answer);
	return r < 0 ? r : answer.result;
}

static void wakes(struct line *l, struct probe *p)
{
	_cleanup_close_ int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct shunt_tools tools = shunt_tools(l->shunt);
	struct child walker = { .fd = -1 };
	int r;

	if (capture(l, p) < 0 || provoke(l, p) < 0)
		return;
	epoll_ctl(epoll, EPOLL_CTL_ADD, C(l), &event);
	edge(epoll, 0); /* its own leg is empty: the application knows that */
	shunt_ask(l->shunt, &l->pair.down, SHUNT_ASK_EDGE);
	r = walk(&walker, &tools);
	child_end(&walker);
	if (r == -ETIMEDOUT)
		probe_set(p, PROBE_FAILED, "",
			  "a walk over all sockets does not end: somebody holds the lock of one");
	else if (r < 0)
		probe_errno(p, r, "the walk of the sockets does not run");
	else if (!edge(epoll, 100))
		probe_set(p, PROBE_FAILED, "",
			  "a sender is not woken after a redirection that failed");
}

static void on_line(void *context, struct probe *p,
		    void (*test)(struct line *l, struct probe *p))
{
	struct shunt **shunt = context;
	struct line line;

	if (line_open(&line, *shunt, p) >= 0)
		test(&line, p);
	line_close(&line);
}

static void test_load(void *context, struct probe *p)
{
	struct shunt **ret = context;
	struct error err = { "" };

	if (shunt_open(ret, &err) < 0)
		probe_set(p, PROBE_IMPOSSIBLE,
			  "--datapath=shunt --log-level=debug shows the end of the verifier's log",
			  "%s", err.text);
}

static void test_capture(void *context, struct probe *p)
{
	on_line(context, p, is_captured);
}

static void test_one_way(void *context, struct probe *p)
{
	on_line(context, p, keeps_fionread);
}

static void test_order(void *context, struct probe *p)
{
	on_line(context, p, redirects);
}

static void test_doorbell(void *context, struct probe *p)
{
	on_line(context, p, rings);
}

static void test_missing_target(void *context, struct probe *p)
{
	on_line(context, p, outlives_target);
}

static void test_rescue(void *context, struct probe *p)
{
	on_line(context, p, wakes);
}

void probe_shunt(struct probes *probes, bool all, struct datapath_choice *keep)
{
	/* the cheap ones first: most hosts that cannot use it end there */
	static const struct probe_test tests[] = {
		{ "privileges", probe_privileges, PROBE_GATE },
		{ "kernel types", probe_kernel_types, PROBE_GATE },
		{ "FIONREAD", probe_fionread, PROBE_AVOIDABLE },
		{ "programs load", test_load, PROBE_GATE },
		{ "capture", test_capture, PROBE_GATE },
		{ "one direction", test_one_way, PROBE_ALONE },
		{ "order", test_order, PROBE_ALONE },
		{ "doorbell", test_doorbell, PROBE_ALONE },
		{ "missing target", test_missing_target, PROBE_ALONE },
		{ "rescue", test_rescue, PROBE_ALONE },
		{ 0 },
	};
	struct shunt *shunt = NULL;

	probes_run(probes, tests, &shunt, all);
	if (keep && !(all ? probes_find(probes, PROBE_FAILED) : probes_find_fault(probes)))
		keep->shunt = TAKE_PTR(shunt);
	shunt_close(shunt);
}
