/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "datapath/datapath.h"

static const char *const names[] = {
	[DATAPATH_AUTO] = "auto",
	[DATAPATH_SPLICE] = "splice",
	[DATAPATH_SOCKMAP] = "sockmap",
	[DATAPATH_SHUNT] = "shunt",
};

/* The best first. The last one always runs, with whatever its tests say. */
static const struct way {
	enum datapath datapath;
	void (*probe)(struct probes *probes, bool all, struct datapath_choice *keep);
	bool is_for_auto; /* it was measured to beat those that follow */
} ways[] = {
	{ DATAPATH_SHUNT, probe_shunt, true },
	{ DATAPATH_SOCKMAP, probe_sockmap, false },
	{ DATAPATH_SPLICE, probe_splice, true },
};

#define N_WAYS (sizeof(ways) / sizeof(*ways))

int datapath_parse(const char *text, enum datapath *ret, struct error *err)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return error_set(err, -EINVAL,
			 "unknown datapath \"%s\": use auto, shunt, sockmap or splice",
			 text);
}

const char *datapath_name(enum datapath datapath)
{
	return names[datapath];
}

/* Of the differences that can be avoided there is one: FIONREAD. */
static void use(const struct probes *probes, struct datapath_choice *ret)
{
	const struct probe *noticed = probes_find(probes, PROBE_DIFFERS);

	ret->one_way = noticed;
	if (noticed)
		snprintf(ret->why, sizeof(ret->why),
			 "one direction of a connection at a time, since %s", noticed->why);
}

static void choose(struct datapath_choice *ret)
{
	const struct way *way;

	for (way = ways; way->datapath != DATAPATH_SPLICE; way++) {
		struct probes probes = { 0 };
		const struct probe *bad;

		if (!way->is_for_auto)
			continue;
		way->probe(&probes, false, ret);
		bad = probes_find_fault(&probes);
		if (!bad) {
			use(&probes, ret);
			break;
		}
		if (!*ret->why)
			snprintf(ret->why, sizeof(ret->why), "not the %s, since %s",
				 datapath_name(way->datapath), bad->why);
	}
	ret->datapath = way->datapath;
}

static int insist(const struct way *way, struct datapath_choice *ret, struct error *err)
{
	struct probes probes = { 0 };
	const struct probe *bad;

	way->probe(&probes, true, ret);
	bad = probes_find(&probes, PROBE_FAILED);
	if (bad)
		return error_set(err, -EOPNOTSUPP, "datapath %s: %s%s%s",
				 datapath_name(way->datapath), bad->why,
				 *bad->advice ? ": " : "", bad->advice);
	bad = probes_find(&probes, PROBE_DIFFERS);
	if (bad)
		log_warn("datapath %s: %s: %s", datapath_name(way->datapath), bad->why,
			 bad->advice);
	ret->datapath = way->datapath;
	return 0;
}

int datapath_open(enum datapath wanted, struct datapath_choice *ret, struct error *err)
{
	*ret = (struct datapath_choice){ .datapath = wanted };
	if (wanted == DATAPATH_AUTO)
		choose(ret);
	if (wanted == DATAPATH_AUTO || wanted == DATAPATH_SPLICE)
		return 0;
	for (size_t i = 0; i < N_WAYS; i++)
		if (ways[i].datapath == wanted)
			return insist(&ways[i], ret, err);
	return -EINVAL;
}

bool datapath_probe(size_t i, enum datapath *ret, struct probes *ret_probes)
{
	if (i >= N_WAYS)
		return false;
	*ret = ways[i].datapath;
	*ret_probes = (struct probes){ 0 };
	ways[i].probe(ret_probes, true, NULL);
	return true;
}
