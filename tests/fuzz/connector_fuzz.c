/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a message between the forwarder and the netns child, or as an answer of a
 * walker: what is accepted is in range, what is refused changes nothing. The first byte is
 * the number of descriptors.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "datapath/walker.h"
#include "forwarder/connector_protocol.h"
#include "fuzz/fuzz.h"

static void check_request(const void *data, size_t len, size_t n_fds)
{
	struct connector_request r, untouched;
	int result;

	memset(&untouched, 0x5a, sizeof(untouched));
	r = untouched;
	result = connector_request_decode(data, len, n_fds, &r);
	CHECK(result == 0 || result == -EBADMSG);
	if (result < 0) {
		CHECK(memcmp(&r, &untouched, sizeof(r)) == 0);
		return;
	}
	CHECK(len == sizeof(r) && r.type < CONNECTOR_TYPES);
	CHECK(n_fds <= (r.type == CONNECTOR_TOOLS ? CONNECTOR_TOOLS_FDS : 0));
	if (r.type == CONNECTOR_SOCKETS)
		CHECK(r.count >= 1 && r.count <= CONNECTOR_BATCH && r.udp <= 1);
	if (r.type == CONNECTOR_SOCKETS || r.type == CONNECTOR_GAUGE)
		CHECK(r.target.family == AF_INET || r.target.family == AF_INET6);
}

static void check_reply(const void *data, size_t len, size_t n_fds)
{
	struct connector_reply r, untouched;
	int result;

	memset(&untouched, 0x5a, sizeof(untouched));
	r = untouched;
	result = connector_reply_decode(data, len, n_fds, &r);
	CHECK(result == 0 || result == -EBADMSG);
	if (result < 0) {
		CHECK(memcmp(&r, &untouched, sizeof(r)) == 0);
		return;
	}
	CHECK(len == sizeof(r) && r.type < CONNECTOR_TYPES && r.type != CONNECTOR_TOOLS);
	CHECK(n_fds <= (r.type == CONNECTOR_SOCKETS ? CONNECTOR_BATCH : 1));
	CHECK(!n_fds || !(r.type == CONNECTOR_CAPTURE ||
			  (r.type == CONNECTOR_SOCKETS && r.released)));
	if (r.type == CONNECTOR_SOCKETS)
		CHECK(r.udp <= 1 && r.released <= 1 && r.result <= 0);
	if (r.type == CONNECTOR_SOCKETS || r.type == CONNECTOR_GAUGE)
		CHECK(r.family == AF_INET || r.family == AF_INET6);
	if (r.type == CONNECTOR_CAPTURE)
		CHECK(r.result && r.result >= -ERRNO_MAX && r.result <= SHUNT_REFUSED);
}

static void check_answer(const void *data, size_t len)
{
	struct walker_answer a = { .what = 99 };
	int result = walker_answer_decode(data, len, &a);

	CHECK(result == 0 || (result == -EBADMSG && a.what == 99));
	if (result < 0)
		return;
	CHECK(len == sizeof(a) && a.what <= WALKER_RINGS && a.result >= -ERRNO_MAX);
	CHECK(a.result <= (a.what == WALKER_RINGS ? WALKER_US_MAX : WALKER_MS_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	check_request(data + 1, size - 1, *data);
	check_reply(data + 1, size - 1, *data);
	check_answer(data + 1, size - 1);
	return 0;
}
