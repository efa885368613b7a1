/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as an address: what is accepted survives being written and read
 * again, and the way through struct sockaddr; what is refused changes nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "fuzz/fuzz.h"

static void check_good(const struct addr *a)
{
	char text[ADDR_TEXT_MAX], with_port[ADDR_TEXT_MAX];
	struct sockaddr_storage ss;
	struct addr again;
	uint16_t port;

	CHECK(a->family == AF_INET || a->family == AF_INET6);
	addr_format(a, text);
	CHECK(addr_parse(text, &again) == 0);
	CHECK(addr_equal(a, &again) && a->scope_id == again.scope_id);

	addr_to_sockaddr(a, 65535, &ss);
	CHECK(addr_from_sockaddr(&ss, &again, &port) == 0);
	CHECK(addr_equal(a, &again) && port == 65535);
	CHECK(addr_is_loopback(a) == addr_is_loopback(&again));

	addr_format_port(a, 65535, with_port);
	CHECK(strlen(with_port) < sizeof(with_port) - 1);
	CHECK(strstr(with_port, text));
	CHECK(strcmp(strrchr(with_port, ':'), ":65535") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct addr a, untouched;
	int r;

	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&untouched, 0x5a, sizeof(untouched));
	a = untouched;
	r = addr_parse(text, &a);
	CHECK(r == 0 || r == -EINVAL || r == -ENODEV);
	if (r == 0)
		check_good(&a);
	else
		CHECK(memcmp(&a, &untouched, sizeof(a)) == 0);
	free(text);
	return 0;
}
