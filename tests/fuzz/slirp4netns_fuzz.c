/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a reply of slirp4netns' API: what is accepted keeps to its bounds, what is
 * refused is explained in one line.
 */
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "supervisor/slirp4netns/api_reply.h"

static void check_hostfwds(const struct json *reply)
{
	struct slirp4netns_hostfwd *list = NULL;
	struct error err = { "" };
	char text[ADDR_TEXT_MAX];
	size_t n = 0;

	if (api_reply_hostfwds(reply, &list, &n, &err) < 0) {
		CHECK(strncmp(err.text, "parsing list_hostfwd of slirp4netns: ", 37) == 0);
		CHECK(!list && !n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		CHECK(list[i].id >= 0 && list[i].id <= INT32_MAX);
		addr_format_port(&list[i].host, list[i].host_port, text);
		addr_format_port(&list[i].guest, list[i].guest_port, text);
	}
	free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *reply = NULL;
	struct error err = { "" };
	int r = api_reply_parse((const char *)data, size, &reply, &err);
	int64_t id;

	CHECK(r == 0 || r == -EINVAL || r == -EREMOTEIO);
	if (r < 0) {
		CHECK(*err.text && !strchr(err.text, '\n') && !reply);
		return 0;
	}
	id = api_reply_id(reply);
	CHECK(id >= -1 && id <= INT32_MAX);
	check_hostfwds(reply);
	json_free(reply);
	return 0;
}
