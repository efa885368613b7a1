/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of a capture. */
#include <errno.h>

#include "base/error.h"
#include "forwarder/capture.h"

static const char *refusal(int result)
{
	return result == SHUNT_UNSUITABLE ?
		       "its socket uses kTLS, MPTCP, MSG_ZEROCOPY, SO_TIMESTAMPING or SO_MAX_PACING_RATE" :
	       result == SHUNT_REFUSED ? "another sockmap has its socket" :
					 errno_text(result);
}

/*
 * Most refusals are no faults: blocking senders are never captured, a client on
 * another machine has no socket here, and no map takes one that is closing.
 */
void capture_log(struct capturer *c, const char *who, int result)
{
	if (result == SHUNT_CAPTURED)
		log_debug("captured: the %s's socket", who);
	if (result == SHUNT_BY_RING)
		log_debug("not captured: the %s's user sends over io_uring", who);
	if (result == SHUNT_CAPTURED || result == SHUNT_NO_SENDER ||
	    result == SHUNT_NO_FLOW || result == SHUNT_BLOCKING || result == SHUNT_UNREAD ||
	    result == SHUNT_CORKED || result == SHUNT_BY_RING || result == SHUNT_ENDING ||
	    result == -EOPNOTSUPP)
		return;
	if (!log_allowed(&c->limit))
		return;
	if (result == -ENOSPC)
		log_warn("%u connections are on the shunt, the most there can be: "
			 "others stay on splice", SHUNT_FLOWS_MAX / 2);
	else
		log_warn("a connection stays on splice: the %s: %s", who, refusal(result));
}
