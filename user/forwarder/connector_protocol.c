/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarder/connector_protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"

static bool is_inet(unsigned int family)
{
	return family == AF_INET || family == AF_INET6;
}

static bool is_request(const struct connector_request *r, size_t n_fds)
{
	switch (r->type) {
	case CONNECTOR_SOCKETS:
		return is_inet(r->target.family) && r->count >= 1 &&
		       r->count <= CONNECTOR_BATCH && r->udp <= 1 && n_fds == 0;
	case CONNECTOR_TOOLS:
		/* fewer: this process has no free descriptors */
		return n_fds <= CONNECTOR_TOOLS_FDS;
	case CONNECTOR_GAUGE:
		return is_inet(r->target.family) && n_fds == 0;
	case CONNECTOR_CAPTURE:
	case CONNECTOR_WALKER:
		return n_fds == 0;
	default:
		return false;
	}
}

int connector_request_decode(const void *data, size_t len, size_t n_fds,
			     struct connector_request *ret)
{
	struct connector_request request;

	if (len != sizeof(request))
		return -EBADMSG;
	memcpy(&request, data, sizeof(request));
	if (!is_request(&request, n_fds))
		return -EBADMSG;
	*ret = request;
	return 0;
}

static bool is_capture_result(int32_t result)
{
	return (result >= SHUNT_CAPTURED && result <= SHUNT_REFUSED) ||
	       (result < 0 && result >= -ERRNO_MAX);
}

static bool is_reply(const struct connector_reply *r, size_t n_fds)
{
	switch (r->type) {
	case CONNECTOR_SOCKETS:
		return is_inet(r->family) && r->udp <= 1 && r->released <= 1 &&
		       r->result <= 0 && r->result >= -ERRNO_MAX &&
		       n_fds <= (r->released ? 0 : CONNECTOR_BATCH);
	case CONNECTOR_CAPTURE:
		return is_capture_result(r->result) && n_fds == 0;
	case CONNECTOR_WALKER:
		return n_fds <= 1;
	case CONNECTOR_GAUGE:
		return is_inet(r->family) && n_fds <= 1;
	default:
		return false;
	}
}

int connector_reply_decode(const void *data, size_t len, size_t n_fds,
			   struct connector_reply *ret)
{
	struct connector_reply reply;

	if (len != sizeof(reply))
		return -EBADMSG;
	memcpy(&reply, data, sizeof(reply));
	if (!is_reply(&reply, n_fds))
		return -EBADMSG;
	*ret = reply;
	return 0;
}
