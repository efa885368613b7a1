/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a message between the supervisor and the netns child: what is accepted keeps
 * to its bounds. The first byte is the number of descriptors.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "fuzz/fuzz.h"
#include "supervisor/netns_protocol.h"

static void check_addr(const struct addr *a)
{
	char text[ADDR_TEXT_MAX];

	CHECK(a->family == AF_UNSPEC || a->family == AF_INET || a->family == AF_INET6);
	if (a->family)
		CHECK(strlen(addr_format(a, text)) < sizeof(text));
}

static void check_request(const struct netns_request *r, size_t len, size_t n_fds)
{
	int result = netns_request_check(r, len, n_fds);

	CHECK(result == 0 || result == -EBADMSG);
	if (result < 0)
		return;
	CHECK(len == sizeof(*r) && r->type < NETNS_REQUESTS && r->log_level <= LOG_DEBUG);
	CHECK(r->log_json == 0 || r->log_json == 1);
	CHECK(n_fds <= (r->type == NETNS_ENTER));
	if (r->type == NETNS_SETUP)
		check_addr(&r->nameserver);
	if (r->type == NETNS_RUN)
		CHECK(r->run.terminal == 0 || r->run.terminal == 1);
	if (r->type == NETNS_OTHER) {
		check_addr(&r->beside);
		CHECK(r->beside.family);
	}
	if (r->type == NETNS_SIGNAL)
		CHECK(r->signal.number > 0 && r->signal.number < NSIG);
}

static void check_reply(const struct netns_reply *r, size_t len)
{
	int result = netns_reply_check(r, len);

	CHECK(result == 0 || result == -EBADMSG);
	if (result < 0)
		return;
	CHECK(len == sizeof(*r) && r->error <= 0 && errno_text(r->error));
	CHECK(strlen(r->text) < sizeof(r->text));
	CHECK(r->status > -NSIG && r->status <= 255);
	check_addr(&r->address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* as long as the input, so that one byte further is the sanitizer's */
	void *copy;

	if (!size)
		return 0;
	copy = malloc(size);
	CHECK(copy);
	memcpy(copy, data + 1, size - 1);
	check_request(copy, size - 1, *data);
	check_reply(copy, size - 1);
	free(copy);
	return 0;
}
