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
	for (unsigned int i = DATAPATH_AUTO; i < sizeof(names) / sizeof(*names); i++) {
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

/* Of all differences there is one, FIONREAD on the shunt, and it can be avoided. */
static const struct probe *note(const struct probes *probes, struct datapath_choice *ret)
{
	const struct probe *p = probes_find(probes, PROBE_DIFFERS);

	if (!p)
		return NULL;
	ret->one_way = true;
	snprintf(ret->noticed, sizeof(ret->noticed), "%s: %s", p->why, p->advice);
	return p;
}

static void use(const struct probes *probes, struct datapath_choice *ret)
{
	const struct probe *noticed = note(probes, ret);

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

static int insist(enum datapath wanted, struct datapath_choice *ret, struct error *err)
{
	const struct way *way = ways;
	struct probes probes = { 0 };
	const struct probe *bad;

	while (way->datapath != wanted)
		way++;
	way->probe(&probes, true, ret);
	bad = probes_find(&probes, PROBE_FAILED);
	if (bad)
		return error_set(err, -EOPNOTSUPP, "datapath %s: %s%s%s",
				 datapath_name(way->datapath), bad->why,
				 *bad->advice ? ": " : "", bad->advice);
	note(&probes, ret);
	return 0;
}

int datapath_open(enum datapath wanted, struct datapath_choice *ret, struct error *err)
{
	int r = 0;

	*ret = (struct datapath_choice){ .wanted = wanted, .datapath = wanted };
	if (wanted == DATAPATH_AUTO)
		choose(ret);
	else
		r = datapath_add(1U << wanted, ret, err);
	if (r >= 0 && wanted != DATAPATH_AUTO && *ret->noticed)
		log_warn("datapath %s: %s", datapath_name(wanted), ret->noticed);
	return r;
}

static bool is_loaded(const struct datapath_choice *c, enum datapath datapath)
{
	return datapath == DATAPATH_SHUNT   ? c->shunt != NULL :
	       datapath == DATAPATH_SOCKMAP ? c->sockmap != NULL :
					      true;
}

/* For `auto` of a rule: beside it nothing changes. */
static void add_auto(struct datapath_choice *choice)
{
	struct datapath_choice tried = { .datapath = DATAPATH_AUTO };

	if (choice->wanted == DATAPATH_AUTO || choice->shunt)
		return;
	choose(&tried);
	choice->shunt = tried.shunt;
	choice->one_way = tried.one_way;
	memcpy(choice->noticed, tried.noticed, sizeof(choice->noticed));
}

int datapath_add(unsigned int datapaths, struct datapath_choice *choice, struct error *err)
{
	int r = 0;

	if (datapaths & 1U << DATAPATH_AUTO)
		add_auto(choice);
	for (unsigned int i = DATAPATH_SPLICE; i <= DATAPATH_SHUNT && r >= 0; i++)
		if (datapaths & 1U << i && !is_loaded(choice, i))
			r = insist(i, choice, err);
	return r;
}

int datapath_use(const struct datapath_choice *choice, enum datapath wanted,
		 struct datapath_use *ret, struct error *err)
{
	if (wanted == DATAPATH_DEFAULT)
		wanted = choice->wanted;
	if (!is_loaded(choice, wanted))
		return error_set(err, -EOPNOTSUPP, "datapath %s was not loaded at the start, and "
				 "cannot be loaded any more: start portshunt with --datapath %s",
				 datapath_name(wanted), datapath_name(wanted));
	ret->datapath = wanted;
	if (wanted == DATAPATH_AUTO)
		ret->datapath = choice->wanted == DATAPATH_AUTO ? choice->datapath :
				choice->shunt ? DATAPATH_SHUNT : DATAPATH_SPLICE;
	ret->one_way = wanted == DATAPATH_AUTO && ret->datapath == DATAPATH_SHUNT &&
		       choice->one_way;
	return 0;
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
