/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-tests of sockmap, with its real maps and programs and this process
 * in the place of the forwarder. tests/bpf/sockmap.c has the rules one by one.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "datapath/datapath.h"
#include "datapath/probe.h"
#include "datapath/sockmap.h"

struct line {
	struct sockmap *map;
	struct probe_pair left;	 /* D connected, A accepted */
	struct probe_pair right; /* B connected, C accepted */
	struct sockmap_pair pair;
};

static void line_close(struct line *l)
{
	probe_pair_close(&l->left);
	probe_pair_close(&l->right);
	sockmap_pair_close(l->map, &l->pair);
}

static int line_open(struct line *l, struct sockmap *map, struct probe *p)
{
	int r;

	*l = (struct line){ .map = map, .left = { -1, -1 }, .right = { -1, -1 } };
	r = probe_pair_open(&l->left, 0, p);
	if (r >= 0)
		r = probe_pair_open(&l->right, 0, p);
	/* what is queued before has to get going by itself */
	if (r >= 0)
		r = probe_says(l->left.connected, "before", p);
	if (r < 0)
		return r;
	r = sockmap_pair_open(map, &l->pair, l->left.accepted, l->right.connected);
	if (r < 0)
		probe_errno(p, r, "the kernel does not take a connection");
	return r;
}

static void expect(int fd, const char *text, struct probe *p, const char *what)
{
	int r = probe_hears(fd, text);

	if (r < 0)
		probe_errno(p, r, what);
}

static void relays(struct line *l, struct probe *p)
{
	if (probe_says(l->left.connected, " and after", p) < 0)
		return;
	expect(l->right.accepted, "before and after", p, "bytes do not arrive in order");
	if (probe_says(l->right.accepted, "answer", p) >= 0)
		expect(l->left.connected, "answer", p, "the answer does not arrive");
}

static void ends(struct line *l, struct probe *p)
{
	struct pollfd target = { .fd = l->right.connected };
	int r;

	shutdown(l->left.connected, SHUT_WR);
	r = probe_wait(l->left.accepted, POLLRDHUP);
	if (r < 0)
		probe_errno(p, r, "the end of a direction is not seen");
	else if (poll(&target, 1, 0) > 0 && (target.revents & POLLERR))
		probe_set(p, PROBE_FAILED, "", "the end of a direction breaks the other");
}

static void on_line(void *context, struct probe *p,
		    void (*test)(struct line *l, struct probe *p))
{
	struct sockmap **map = context;
	struct line line;

	if (line_open(&line, *map, p) >= 0)
		test(&line, p);
	line_close(&line);
}

static void test_kernel(void *context, struct probe *p)
{
	struct utsname kernel;

	uname(&kernel);
	if (!sockmap_kernel_is_sound(kernel.release, kernel.version))
		probe_set(p, PROBE_IMPOSSIBLE, "6.1.142, 6.6.94, 6.12.34 or 6.16 is needed",
			  "Linux %s loses bytes of slow readers on a sockmap", kernel.release);
}

static void test_load(void *context, struct probe *p)
{
	struct sockmap **ret = context;
	struct error err = { "" };

	if (sockmap_open(ret, &err) < 0)
		probe_set(p, PROBE_IMPOSSIBLE,
			  "--datapath=sockmap --log-level=debug shows the end of the verifier's log",
			  "%s", err.text);
}

static void test_relay(void *context, struct probe *p)
{
	on_line(context, p, relays);
}

static void test_end(void *context, struct probe *p)
{
	on_line(context, p, ends);
}

void probe_sockmap(struct probes *probes, bool all, struct datapath_choice *keep)
{
	static const struct probe_test tests[] = {
		{ "privileges", probe_privileges, PROBE_GATE },
		{ "kernel types", probe_kernel_types, PROBE_GATE },
		{ "kernel release", test_kernel, PROBE_GATE },
		{ "programs load", test_load, PROBE_GATE },
		{ "relay", test_relay, PROBE_ALONE },
		{ "end of file", test_end, PROBE_ALONE },
		{ 0 },
	};
	struct sockmap *map = NULL;

	probes_run(probes, tests, &map, all);
	if (keep && !probes_find(probes, all ? PROBE_FAILED : PROBE_DIFFERS))
		keep->sockmap = TAKE_PTR(map);
	sockmap_close(map);
}
