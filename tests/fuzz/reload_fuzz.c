/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what podman sends to the reload socket of rootlessport: what is accepted is one
 * string, and as an address of the container one of one family; what is refused is explained in
 * one line that fits into a reply.
 */
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "supervisor/rootlessport/ports.h"
#include "supervisor/rootlessport/reload.h"

static void check_refusal(int r, const struct error *err)
{
	CHECK(r == -EINVAL || r == -ENOMEM);
	CHECK(*err->text && strlen(err->text) < sizeof(err->text) && !strchr(err->text, '\n'));
}

static void check_address(const char *ip)
{
	struct addr v4 = { 0 }, v6 = { 0 }, again = { 0 };
	char text[ADDR_TEXT_MAX];
	struct error err = { "" };
	int r = rootlessport_child_ip(ip, &v4, &v6, &err);
	const struct addr *a = v4.family ? &v4 : &v6;

	if (r < 0) {
		check_refusal(r, &err);
		CHECK(strncmp(err.text, "invalid ChildIP: ", 17) == 0);
		return;
	}
	CHECK((v4.family == AF_INET) + (v6.family == AF_INET6) == 1);
	CHECK(!v4.family || !v6.family);
	CHECK(addr_parse(addr_format(a, text), &again) == 0 && addr_equal(a, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *json = NULL;
	struct error err = { "" };
	const char *ip = NULL;
	int r = reload_parse((const char *)data, size, &json, &ip, &err);

	if (r < 0) {
		check_refusal(r, &err);
	} else {
		CHECK(ip && strlen(ip) <= size);
		check_address(ip);
	}
	json_free(json);
	return 0;
}
