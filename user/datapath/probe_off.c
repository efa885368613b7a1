/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of probe_shunt.c and probe_sockmap.c in a program that was built with BPF=0. */
#include "datapath/datapath.h"

static void test_built_in(void *context, struct probe *p)
{
	probe_set(p, PROBE_IMPOSSIBLE, "build it without BPF=0",
		  "this program was built without BPF (make BPF=0)");
}

static const struct probe_test tests[] = { { "built in", test_built_in, PROBE_GATE }, { 0 } };

void probe_shunt(struct probes *probes, bool all, struct datapath_choice *keep)
{
	probes_run(probes, tests, NULL, all);
}

void probe_sockmap(struct probes *probes, bool all, struct datapath_choice *keep)
{
	probes_run(probes, tests, NULL, all);
}
