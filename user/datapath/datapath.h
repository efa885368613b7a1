/* SPDX-License-Identifier: Apache-2.0 */
/* What can move the bytes of a connection, and which of it runs here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "datapath/probe.h"

enum datapath {
	DATAPATH_DEFAULT, /* of a rule: what --datapath says */
	DATAPATH_AUTO,
	DATAPATH_SPLICE,
	DATAPATH_SOCKMAP,
	DATAPATH_SHUNT,
};

/* datapath_parse - a name as --datapath takes it. Returns 0 or -EINVAL. */
int datapath_parse(const char *text, enum datapath *ret, struct error *err);

const char *datapath_name(enum datapath datapath);

/* What is loaded, and what of it runs. */
struct datapath_choice {
	enum datapath wanted;	/* by --datapath */
	enum datapath datapath; /* of rules that ask for none */
	struct shunt *shunt; /* the owner is to close it; NULL: none */
	struct sockmap *sockmap; /* the same */
	bool one_way; /* `auto` uses the shunt for one direction of a connection at a time */
	char why[320]; /* it is not a better one, or not used to the full; "" when it is */
	char noticed[520]; /* what applications could notice of the shunt in both directions; or "" */
};

/* What a rule uses of it. */
struct datapath_use {
	enum datapath datapath; /* splice, sockmap or shunt */
	bool one_way;		/* the shunt: one direction of a connection at a time */
};

/*
 * datapath_open - start what was asked for, after its self-tests. `auto` is
 * the best one that passes all of them. One that was asked for by name and
 * fails a test is an error, never another datapath; what applications could
 * notice of it is warned of.
 * Returns 0 or -EOPNOTSUPP.
 */
int datapath_open(enum datapath wanted, struct datapath_choice *ret, struct error *err);

/*
 * datapath_add - load those of @datapaths as well that are not loaded, since rules will ask for
 * them: bits 1 << enum datapath. As datapath_open(), but without a warning.
 * Returns 0 or -EOPNOTSUPP with @err set.
 */
int datapath_add(unsigned int datapaths, struct datapath_choice *choice, struct error *err);

/*
 * datapath_use - what a rule that asks for @wanted uses: *ret. Loads nothing, since whoever
 * serves rules has no privileges for that any more.
 * Returns 0, or -EOPNOTSUPP with @err set when it was not loaded.
 */
int datapath_use(const struct datapath_choice *choice, enum datapath wanted,
		 struct datapath_use *ret, struct error *err);

/*
 * datapath_probe - all self-tests of the datapath number @i, the best is 0.
 * Returns false when there are not so many.
 */
bool datapath_probe(size_t i, enum datapath *ret, struct probes *ret_probes);

/*
 * The tests of each datapath: of @all of them, or up to the first that is not
 * PROBE_OK or can be avoided. What they opened stays open in @keep when that is
 * not NULL and the datapath can be used: with @all, also when it shows.
 */
void probe_shunt(struct probes *probes, bool all, struct datapath_choice *keep);
void probe_sockmap(struct probes *probes, bool all, struct datapath_choice *keep);
void probe_splice(struct probes *probes, bool all, struct datapath_choice *keep);
