/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request of the control socket: what is accepted keeps to its
 * bounds; what is refused changes nothing and is explained in one line.
 */
#include <errno.h>
#include <string.h>

#include "control/reply.h"
#include "control/request.h"
#include "fuzz/fuzz.h"

static void check_good(const struct control_request *r)
{
	CHECK(r->execute <= CONTROL_TAKE_OVER);
	CHECK((r->n_specs > 0) >= (r->execute == CONTROL_ADD));
	for (size_t i = 0; i < r->n_specs; i++)
		CHECK(r->specs[i].count >= 1 && r->specs[i].protos);
	if (r->execute == CONTROL_REMOVE)
		CHECK((r->n_specs == 1) + (r->id != 0) + (r->host_port != 0) == 1);
	CHECK(!r->timeout || r->drain || r->execute == CONTROL_TAKE_OVER);
	CHECK((r->version > 0) == (r->execute == CONTROL_TAKE_OVER));
	CHECK(r->timeout <= UINT32_MAX / 1000);
	CHECK(r->connections <= CONTROL_CONNECTIONS_MAX);
	if (r->execute == CONTROL_RELOAD)
		CHECK(r->child4.family || r->child6.family);
	CHECK(!r->child4.family || r->child4.family == AF_INET);
	CHECK(!r->child6.family || r->child6.family == AF_INET6);
}

static void check_bad(const struct control_request *r, const struct error *err)
{
	struct control_request untouched;
	char *reply = reply_error(err->text);

	memset(&untouched, 0x5a, sizeof(untouched));
	CHECK(memcmp(r, &untouched, sizeof(untouched)) == 0);
	CHECK(strncmp(err->text, "bad request: ", 13) == 0);
	/* one line, whatever was quoted in it */
	CHECK(reply && strchr(reply, '\n') == reply + strlen(reply) - 1);
	free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request r;
	struct error err = { "" };
	int result;

	memset(&r, 0x5a, sizeof(r));
	result = control_request_parse((const char *)data, size, &r, &err);
	CHECK(result == 0 || result == -EINVAL);
	if (result == 0) {
		check_good(&r);
		control_request_done(&r);
	} else {
		check_bad(&r, &err);
	}
	return 0;
}
