/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-tests tell what is: what the cheap one says of FIONREAD, asked with
 * a program that does nothing, holds for a socket that the shunt has captured.
 * How long the start takes with them is told, not judged.
 */
#include <time.h>

#include "datapath/datapath.h"
#include "datapath/shunt.h"
#include "kernel/socket.h"

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static const struct probe *result_of(const struct probes *probes, const char *name)
{
	for (size_t i = 0; i < probes->n; i++)
		if (strcmp(probes->list[i].name, name) == 0)
			return &probes->list[i];
	printf("Bail out! there is no test %s\n", name);
	exit(1);
}

/* 5 bytes wait at a socket that was captured: what does it tell? */
static int fionread_when_captured(struct shunt *shunt)
{
	int left[2], right[2], waiting = -1;
	struct shunt_pair pair = { 0 };

	tcp_pair(left);
	tcp_pair(right);
	set_nonblock(right[1], true);
	MUST(shunt_pair_open(shunt, &pair, left[1], right[0]) < 0 ? -1 : 0);
	MUST(shunt_capture_here(shunt, &pair.down) == SHUNT_CAPTURED ? 0 : -1);
	MUST(send(right[0], "12345", 5, 0));
	wait_for(right[1], POLLIN);
	MUST(ioctl(right[1], FIONREAD, &waiting));
	shunt_pair_close(shunt, &pair);
	close_pair(left);
	close_pair(right);
	return waiting;
}

static void test_each(void)
{
	struct datapath_choice choice = { 0 };
	struct probes probes = { 0 };
	double from = now_ms();
	bool is_right;

	probe_shunt(&probes, true, &choice);
	tap_diag("all tests: %.1f ms", now_ms() - from);
	for (size_t i = 0; i < probes.n; i++) {
		const struct probe *p = &probes.list[i];

		if (strcmp(p->name, "FIONREAD") == 0)
			continue;
		if (!tap_ok(p->result == PROBE_OK, p->name))
			tap_diag("%s: %s", probe_result_name(p->result), p->why);
	}
	if (!tap_ok(choice.shunt != NULL, "--datapath=shunt has it open"))
		return;
	is_right = result_of(&probes, "FIONREAD")->result == PROBE_OK;
	tap_is(fionread_when_captured(choice.shunt) == 5, is_right,
	       "FIONREAD on a captured socket is as the self-test says");
	shunt_close(choice.shunt);
}

static void test_auto(bool is_right)
{
	double from = now_ms();
	struct datapath_choice choice;
	struct error err = { "" };

	tap_is(datapath_open(DATAPATH_AUTO, &choice, &err), 0, "auto finds a datapath");
	tap_diag("%.2f ms: %s, %s", now_ms() - from, datapath_name(choice.datapath), choice.why);
	tap_is(choice.datapath, DATAPATH_SHUNT, "the shunt, whatever FIONREAD says");
	tap_ok(choice.shunt != NULL, "open");
	tap_is(choice.one_way, !is_right, "one direction at a time if it is wrong");
	tap_is(!*choice.why, is_right, "with a reason then");
	shunt_close(choice.shunt);
}

/* A fault that can be avoided keeps no other test from running. */
static bool test_cheap(void)
{
	struct probes probes = { 0 };
	double from = now_ms();
	bool is_right;

	probe_shunt(&probes, false, NULL);
	is_right = result_of(&probes, "FIONREAD")->result == PROBE_OK;
	tap_diag("up to the first fault: %.2f ms", now_ms() - from);
	tap_ok(result_of(&probes, "rescue")->result == PROBE_OK, "all are tried");
	return is_right;
}

int main(void)
{
	struct probes probes = { 0 };

	probe_shunt(&probes, false, NULL);
	if (probes_find(&probes, PROBE_IMPOSSIBLE))
		tap_skip_all(probes_find(&probes, PROBE_IMPOSSIBLE)->why);
	test_each();
	test_auto(test_cheap());
	return tap_end();
}
