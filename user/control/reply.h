/* SPDX-License-Identifier: Apache-2.0 */
/* Replies as text, each a line with its end. The caller frees; NULL: no memory. */
#pragma once

#include "base/json.h"

/* For those who may not even cost an allocation. */
#define REPLY_DENIED                                                           \
	"{\"error\":{\"desc\":\"access denied: the control socket is for root " \
	"and for the user who runs portshunt\"}}\n"

#define REPLY_DENIED_NETWORK                                                   \
	"{\"error\":{\"desc\":\"access denied: the control socket of run is for its own "     \
	"network namespace, not for COMMAND's; give run --control-from-command to allow "  \
	"that\"}}\n"

/* reply_return - {"return":VALUE}; takes over @value. */
char *reply_return(struct json *value);

/* reply_error - {"error":{"desc":TEXT}} */
char *reply_error(const char *text);
