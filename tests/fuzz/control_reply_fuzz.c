/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a reply of the control socket: what is accepted can be printed as any table,
 * what is refused is explained in one line. And any text as one of our own replies.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "control/client.h"
#include "control/reply.h"
#include "control/table.h"
#include "fuzz/fuzz.h"

/* The tables go to stdout, which is the driver's. */
static void print_tables(const struct json *value)
{
	static void (*const tables[])(const struct json *) = {
		table_added, table_removed, table_list, table_stats, table_reloaded,
	};
	FILE *was = stdout;
	static FILE *null;

	if (!null)
		null = fopen("/dev/null", "we");
	CHECK(null);
	stdout = null;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		tables[i](value);
	fflush(null);
	stdout = was;
}

/*
 * json-c 0.16 reads \ud836\udc00, U+1D800, as U+FFFD, and so all characters above U+FFFF whose
 * lower 16 bits are a surrogate's.
 */
static bool survives_json(const char *text)
{
	size_t len = strlen(text), n;
	uint32_t c;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_decode(text + i, len - i, &c);
		CHECK(n);
		if (c > 0xffff && (c & 0xf800) == 0xd800)
			return false;
	}
	return true;
}

static void check_ours(const uint8_t *data, size_t size)
{
	struct json *json = NULL;
	const struct json *value;
	struct error err = { "" }, said = { "" };
	char *text = malloc(size + 1), *reply;

	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	/* what any error text has gone through */
	error_set(&said, 0, "%s", text);
	reply = reply_error(said.text);
	CHECK(reply && strchr(reply, '\n') == reply + strlen(reply) - 1);
	CHECK(control_read_reply(reply, strlen(reply) - 1, &json, &value, &err) == -EREMOTEIO);
	CHECK(!survives_json(said.text) || strcmp(err.text, said.text) == 0);
	json_free(json);
	free(reply);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json *value = NULL;
	struct json *json = NULL;
	struct error err = { "" };
	int r = control_read_reply((const char *)data, size, &json, &value, &err);

	CHECK(r == 0 || r == -EINVAL || r == -EREMOTEIO || r == -EPROTO);
	if (r == 0)
		print_tables(value);
	else if (r != -EREMOTEIO)
		CHECK(strncmp(err.text, "the control socket's reply ", 27) == 0);
	json_free(json);
	check_ours(data, size);
	return 0;
}
