/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a port spec: what is accepted keeps to its bounds and survives
 * being written and read again; what is refused changes nothing and is
 * explained in one line.
 */
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "rule/spec.h"

static void check_range(uint16_t first, uint32_t count)
{
	CHECK(first >= 1);
	CHECK(first + count - 1 <= UINT16_MAX);
}

static void check_good(const struct port_spec *s)
{
	char text[SPEC_FORMAT_MAX], again_text[SPEC_FORMAT_MAX], host[SPEC_HOST_MAX];
	struct port_spec again;

	CHECK(s->count >= 1 && s->count <= UINT16_MAX);
	check_range(s->container_port, s->count);
	if (s->host_port)
		check_range(s->host_port, s->count);
	CHECK(s->protos && !(s->protos & ~(unsigned int)(PROTO_TCP | PROTO_UDP)));
	CHECK(s->host_addr.family == AF_UNSPEC || s->host_addr.family == AF_INET ||
	      s->host_addr.family == AF_INET6);

	spec_format(s, text, sizeof(text));
	CHECK(strlen(text) < sizeof(text) - 1);
	CHECK(strlen(spec_format_host(s, UINT16_MAX, host)) < sizeof(host) - 1);
	CHECK(spec_parse(text, &again, NULL) == 0);
	CHECK(!*s->device || spec_device_is_valid(s->device));
	CHECK(spec_same_host(s, &again));
	CHECK(s->host_port == again.host_port);
	CHECK(s->container_port == again.container_port);
	CHECK(s->count == again.count);
	CHECK(s->protos == again.protos);
	CHECK(strcmp(text, spec_format(&again, again_text, sizeof(again_text))) == 0);

	CHECK(spec_overlaps(s, &again) == (s->host_port != 0));
}

static void check_bad(const struct port_spec *s, const struct error *err)
{
	static const char front[] = "invalid port \"";
	struct port_spec untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	CHECK(memcmp(s, &untouched, sizeof(untouched)) == 0);
	CHECK(strncmp(err->text, front, strlen(front)) == 0);
	CHECK(strstr(err->text, "\": "));
	/* the reason fits, so nothing was cut short */
	CHECK(strlen(err->text) < sizeof(err->text) - 1);
	for (const char *p = err->text; *p; p++)
		CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct error err = { "" };
	struct port_spec s;
	int r;

	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&s, 0x5a, sizeof(s));
	r = spec_parse(text, &s, &err);
	CHECK(r == 0 || r == -EINVAL);
	if (r == 0)
		check_good(&s);
	else
		check_bad(&s, &err);
	free(text);
	return 0;
}
