/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/netns_protocol.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/message.h"

int netns_request_check(const struct netns_request *request, size_t len, size_t n_fds)
{
	if (len != sizeof(*request) || request->type >= NETNS_REQUESTS ||
	    request->log_level > LOG_DEBUG || !message_is_bool(&request->log_json))
		return -EBADMSG;
	if (n_fds > (request->type == NETNS_ENTER))
		return -EBADMSG;
	if (request->type == NETNS_SETUP && !message_is_addr(&request->nameserver))
		return -EBADMSG;
	if (request->type == NETNS_RUN && !message_is_bool(&request->run.terminal))
		return -EBADMSG;
	if (request->type == NETNS_OTHER &&
	    (!message_is_addr(&request->beside) || !request->beside.family))
		return -EBADMSG;
	if (request->type == NETNS_SIGNAL &&
	    (request->signal.number < 1 || request->signal.number >= NSIG ||
	     !message_is_bool(&request->signal.group)))
		return -EBADMSG;
	return 0;
}

int netns_reply_check(const struct netns_reply *reply, size_t len)
{
	if (len != sizeof(*reply) || reply->error > 0 || reply->error < -ERRNO_MAX ||
	    !memchr(reply->text, '\0', sizeof(reply->text)) || !message_is_addr(&reply->address) ||
	    reply->status <= -NSIG || reply->status > UINT8_MAX)
		return -EBADMSG;
	return 0;
}
