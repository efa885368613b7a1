/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "datapath/datapath.h"

static const char *const names[] = {
	[DATAPATH_AUTO] = "auto",
	[DATAPATH_SPLICE] = "splice",
	[DATAPATH_SOCKMAP] = "sockmap",
	[DATAPATH_SHUNT] = "shunt",
};

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

int datapath_select(enum datapath wanted, enum datapath *ret, struct error *err)
{
	if (wanted == DATAPATH_SOCKMAP)
		return error_set(err, -EOPNOTSUPP,
				 "datapath sockmap is not built yet: use --datapath=splice, "
				 "shunt or auto");
	if (wanted == DATAPATH_SHUNT) {
		*ret = wanted;
		return 0;
	}
	/* auto: the shunt has to prove at start that no application notices it */
	*ret = DATAPATH_SPLICE;
	return 0;
}
