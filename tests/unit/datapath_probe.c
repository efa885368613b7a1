/* SPDX-License-Identifier: Apache-2.0 */
/* How self-tests are run and told, and what `auto` is when they cannot be. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/datapath.h"
#include "datapath/probe.h"

static void good(void *context, struct probe *p)
{
	++*(int *)context;
}

static void shows(void *context, struct probe *p)
{
	++*(int *)context;
	probe_set(p, PROBE_DIFFERS, "do not mind", "%d is not %d", 1, 2);
}

static void fails(void *context, struct probe *p)
{
	++*(int *)context;
	probe_errno(p, -ENOMEM, "it stops");
}

static void cannot(void *context, struct probe *p)
{
	++*(int *)context;
	probe_set(p, PROBE_IMPOSSIBLE, "", "not here");
}

static void check(const struct probes *probes, size_t i, const char *name,
		  enum probe_result result, const char *why)
{
	assert_true(i < probes->n);
	assert_string_equal(probes->list[i].name, name);
	assert_string_equal(probe_result_name(probes->list[i].result),
			    probe_result_name(result));
	assert_string_equal(probes->list[i].why, why);
}

static void test_all_good(void **state)
{
	static const struct probe_test tests[] = { { "a", good, PROBE_GATE }, { "b", good, PROBE_ALONE }, { 0 } };
	struct probes probes = { 0 };
	int ran = 0;

	probes_run(&probes, tests, &ran, false);
	assert_int_equal(ran, 2);
	assert_int_equal(probes.n, 2);
	check(&probes, 1, "b", PROBE_OK, "");
	assert_null(probes_find(&probes, PROBE_DIFFERS));
}

static void test_stops_at_the_first(void **state)
{
	static const struct probe_test tests[] = {
		{ "a", good, PROBE_ALONE }, { "b", shows, PROBE_ALONE }, { "c", good, PROBE_ALONE }, { 0 }
	};
	struct probes probes = { 0 };
	int ran = 0;

	probes_run(&probes, tests, &ran, false);
	assert_int_equal(ran, 2);
	assert_int_equal(probes.n, 2);
	check(&probes, 1, "b", PROBE_DIFFERS, "1 is not 2");
	assert_string_equal(probes.list[1].advice, "do not mind");
}

static void test_all_of_them(void **state)
{
	static const struct probe_test tests[] = { { "a", shows, PROBE_GATE },  { "b", fails, PROBE_ALONE },
						   { "c", good, PROBE_ALONE },  { "d", cannot, PROBE_GATE },
						   { "e", good, PROBE_ALONE },  { "f", fails, PROBE_GATE },
						   { 0 } };
	struct probes probes = { 0 };
	int ran = 0;

	probes_run(&probes, tests, &ran, true);
	/* what differs can be gone on with, what is not possible cannot */
	assert_int_equal(ran, 4);
	assert_int_equal(probes.n, 6);
	check(&probes, 1, "b", PROBE_FAILED, "it stops: cannot allocate memory");
	check(&probes, 2, "c", PROBE_OK, "");
	check(&probes, 4, "e", PROBE_IMPOSSIBLE, "not tried without: d");
	check(&probes, 5, "f", PROBE_IMPOSSIBLE, "not tried without: d");
	assert_string_equal(probes_find(&probes, PROBE_DIFFERS)->name, "a");
	assert_string_equal(probes_find(&probes, PROBE_FAILED)->name, "b");
	assert_string_equal(probes_find(&probes, PROBE_IMPOSSIBLE)->name, "d");
}

static void test_goes_on_after_what_can_be_avoided(void **state)
{
	static const struct probe_test tests[] = {
		{ "a", shows, PROBE_AVOIDABLE }, { "b", good, PROBE_ALONE },
		{ "c", shows, PROBE_ALONE }, { "d", good, PROBE_ALONE }, { 0 }
	};
	static const struct probe_test worse[] = {
		{ "e", fails, PROBE_AVOIDABLE }, { "f", good, PROBE_ALONE }, { 0 }
	};
	struct probes probes = { 0 };
	int ran = 0;

	probes_run(&probes, tests, &ran, false);
	assert_int_equal(ran, 3);
	assert_string_equal(probes_find(&probes, PROBE_DIFFERS)->name, "a");
	assert_string_equal(probes_find_fault(&probes)->name, "c");
	/* what fails cannot be avoided */
	probes_run(&probes, worse, &ran, false);
	assert_int_equal(ran, 4);
	probes.n--;
	probes.list[2].result = PROBE_OK;
	assert_null(probes_find_fault(&probes));
}

static void test_no_more_than_fit(void **state)
{
	static struct probe_test tests[PROBES_MAX + 2];
	struct probes probes = { 0 };
	int ran = 0;

	for (size_t i = 0; i < PROBES_MAX + 1; i++)
		tests[i] = (struct probe_test){ "x", good, PROBE_ALONE };
	probes_run(&probes, tests, &ran, true);
	assert_int_equal(probes.n, PROBES_MAX);
	assert_int_equal(ran, PROBES_MAX);
}

static void test_texts_are_cut(void **state)
{
	struct probe p = { 0 };
	char text[2 * sizeof(p.why)];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	probe_set(&p, PROBE_FAILED, text, "%s", text);
	assert_int_equal(strlen(p.why), sizeof(p.why) - 1);
	assert_int_equal(strlen(p.advice), sizeof(p.advice) - 1);
}

static void test_pair(void **state)
{
	struct probe_pair pair;
	struct probe p = { 0 };

	if (probe_pair_open(&pair, 0, &p) < 0) {
		/* no lo: then that is what it has to say */
		assert_int_equal(p.result, PROBE_IMPOSSIBLE);
		assert_true(*p.why);
		return;
	}
	assert_int_equal(probe_says(pair.connected, "some", &p), 0);
	assert_int_equal(probe_says(pair.connected, "thing", &p), 0);
	assert_int_equal(probe_hears(pair.accepted, "something"), 0);
	assert_int_equal(probe_says(pair.accepted, "else", &p), 0);
	assert_int_equal(probe_hears(pair.connected, "thing"), -EBADMSG);
	probe_pair_close(&pair);
	assert_int_equal(pair.connected, -1);
	assert_int_equal(probe_says(pair.connected, "x", &p), -EBADF);
	assert_string_equal(p.why, "a short send fails: bad file descriptor");
	probe_pair_close(&pair);
}

static int full[2];

static void on_alarm(int signal)
{
	char data[4096];

	while (recv(full[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
}

/* As while TCP has no memory: it fails when that lasts, and not when it passes. */
static void test_no_memory(void **state)
{
	struct itimerval soon = { .it_value = { .tv_usec = 5000 } };
	struct probe p = { 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, full), 0);
	while (send(full[1], "x", 1, MSG_DONTWAIT) == 1)
		;
	assert_int_equal(probe_says(full[1], "text", &p), -EAGAIN);
	assert_int_equal(p.result, PROBE_FAILED);
	assert_string_equal(p.why, "TCP has no memory for a short send (net.ipv4.tcp_mem), tried "
			    "10 times: resource temporarily unavailable");
	p = (struct probe){ 0 };
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(probe_says(full[1], "text", &p), 0);
	assert_int_equal(p.result, PROBE_OK);
	assert_int_equal(probe_hears(full[0], "text"), 0);
	close(full[0]);
	close(full[1]);
}

/* What the command prints: every datapath that is built, splice last. */
static void test_every_datapath(void **state)
{
	enum datapath datapath = DATAPATH_AUTO;
	struct probes probes;
	size_t i;

	for (i = 0; datapath_probe(i, &datapath, &probes); i++) {
		assert_int_not_equal(datapath, DATAPATH_AUTO);
		assert_true(probes.n > 0);
		for (size_t j = 0; j < probes.n; j++)
			assert_true(*probes.list[j].why ||
				    probes.list[j].result == PROBE_OK);
	}
	assert_true(i >= 2);
	assert_int_equal(datapath, DATAPATH_SPLICE);
}

static void test_splice_is_never_tried(void **state)
{
	struct datapath_choice choice;
	struct error err = { "" };

	assert_int_equal(datapath_open(DATAPATH_SPLICE, &choice, &err), 0);
	assert_int_equal(choice.datapath, DATAPATH_SPLICE);
	assert_null(choice.shunt);
	assert_string_equal(choice.why, "");
}

/* Rules of a process that was started with @started and has loaded what @bits say. */
static void check_uses(enum datapath started, enum datapath automatic, unsigned int bits,
		       enum datapath wanted, enum datapath expected, bool one_way)
{
	static char thing;
	struct datapath_choice choice = {
		.wanted = started,
		.datapath = started == DATAPATH_AUTO ? automatic : started,
		.shunt = bits & 1U << DATAPATH_SHUNT ? (void *)&thing : NULL,
		.sockmap = bits & 1U << DATAPATH_SOCKMAP ? (void *)&thing : NULL,
		.one_way = true,
	};
	struct datapath_use use = { 0 };
	struct error err = { "" };

	assert_int_equal(datapath_use(&choice, wanted, &use, &err), expected ? 0 : -EOPNOTSUPP);
	assert_int_equal(use.datapath, expected);
	assert_int_equal(use.one_way, one_way);
	assert_int_equal(*err.text != '\0', !expected);
}

static void test_datapath_of_a_rule(void **state)
{
	const enum datapath none = DATAPATH_DEFAULT, automatic = DATAPATH_AUTO,
			    splice = DATAPATH_SPLICE, sockmap = DATAPATH_SOCKMAP,
			    shunt = DATAPATH_SHUNT;
	const unsigned int has_shunt = 1U << DATAPATH_SHUNT, has_sockmap = 1U << DATAPATH_SOCKMAP;

	check_uses(automatic, shunt, has_shunt, none, shunt, true);
	check_uses(automatic, shunt, has_shunt, automatic, shunt, true);
	check_uses(automatic, shunt, has_shunt, shunt, shunt, false);
	check_uses(automatic, shunt, has_shunt, splice, splice, false);
	check_uses(automatic, shunt, has_shunt, sockmap, none, false);
	/* loaded for other rules, and no more for auto than it was */
	check_uses(automatic, splice, has_shunt, none, splice, false);
	check_uses(automatic, splice, 0, shunt, none, false);
	check_uses(shunt, none, has_shunt, none, shunt, false);
	check_uses(shunt, none, has_shunt, automatic, shunt, true);
	check_uses(splice, none, 0, none, splice, false);
	check_uses(splice, none, 0, automatic, splice, false);
	check_uses(splice, none, has_shunt | has_sockmap, sockmap, sockmap, false);
	check_uses(splice, none, has_shunt | has_sockmap, automatic, shunt, true);
	check_uses(sockmap, none, has_sockmap, none, sockmap, false);
	check_uses(sockmap, none, has_sockmap, automatic, splice, false);
}

static void test_names(void **state)
{
	enum datapath datapath = DATAPATH_DEFAULT;
	struct error err = { "" };

	for (enum datapath i = DATAPATH_AUTO; i <= DATAPATH_SHUNT; i++) {
		assert_int_equal(datapath_parse(datapath_name(i), &datapath, &err), 0);
		assert_int_equal(datapath, i);
	}
	assert_int_equal(datapath_parse("", &datapath, &err), -EINVAL);
	assert_int_equal(datapath_parse("Shunt", &datapath, &err), -EINVAL);
	assert_int_equal(datapath, DATAPATH_SHUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_good),
		cmocka_unit_test(test_stops_at_the_first),
		cmocka_unit_test(test_all_of_them),
		cmocka_unit_test(test_goes_on_after_what_can_be_avoided),
		cmocka_unit_test(test_no_more_than_fit),
		cmocka_unit_test(test_texts_are_cut),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_every_datapath),
		cmocka_unit_test(test_splice_is_never_tried),
		cmocka_unit_test(test_datapath_of_a_rule),
		cmocka_unit_test(test_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("datapath/probe", tests, NULL, NULL);
}
