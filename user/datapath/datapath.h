/* SPDX-License-Identifier: Apache-2.0 */
/* What can move the bytes of a connection, and which of it runs here. */
#pragma once

#include "base/error.h"

enum datapath {
	DATAPATH_AUTO,
	DATAPATH_SPLICE,
	DATAPATH_SOCKMAP,
	DATAPATH_SHUNT,
};

/* datapath_parse - a name as --datapath takes it. Returns 0 or -EINVAL. */
int datapath_parse(const char *text, enum datapath *ret, struct error *err);

const char *datapath_name(enum datapath datapath);

/*
 * datapath_select - what will run when @wanted was asked for. A datapath that
 * was asked for by name and cannot run is an error, never another datapath.
 * Returns 0 or -EOPNOTSUPP.
 */
int datapath_select(enum datapath wanted, enum datapath *ret, struct error *err);
