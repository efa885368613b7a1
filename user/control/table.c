/* SPDX-License-Identifier: Apache-2.0 */
#include "control/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/error.h"
#include "rule/limits.h"

#define CELL LIMITS_FORMAT_MAX
#define WARNING_MAX 512

/* A column: the member of a row that it shows, or what is put together from several. */
struct column {
	const char *head, *key;
	void (*format)(const struct json *row, char text[CELL]);
};

/* The other end may be anything that listens there: no byte of it steers the terminal. */
static const char *text_of(const struct json *row, const char *key, char text[CELL])
{
	const char *value = json_string(json_get(row, key));

	snprintf(text, CELL, "%s", value ? value : "-");
	make_printable(text);
	return text;
}

static uint64_t number_of(const struct json *row, const char *key)
{
	int64_t n;

	return json_int(json_get(row, key), 0, INT64_MAX, &n) < 0 ? 0 : (uint64_t)n;
}

static void format_range(const struct json *row, const char *key, const char *front,
			 char text[CELL])
{
	uint64_t first = number_of(row, key), range = number_of(row, "range");

	if (range > 1)
		snprintf(text, CELL, "%.80s%" PRIu64 "-%" PRIu64, front, first, first + range - 1);
	else
		snprintf(text, CELL, "%.80s%" PRIu64, front, first);
}

static void format_host(const struct json *row, char text[CELL])
{
	char front[CELL], value[CELL], interface[CELL] = "";
	const char *ip = text_of(row, "host_ip", value);

	if (json_has(row, "interface"))
		text_of(row, "interface", interface);
	/* every address: as podman and docker name it */
	if (!*ip && !*interface)
		ip = "0.0.0.0";
	snprintf(front, sizeof(front), strchr(ip, ':') ? "[%.56s%s%.15s]:" : "%.56s%s%.15s:", ip,
		 *interface ? "%" : "", interface);
	format_range(row, "host_port", front, text);
}

static void format_container(const struct json *row, char text[CELL])
{
	format_range(row, "container_port", "", text);
}

static void format_limits(const struct json *row, char text[CELL])
{
	const struct json *list = json_get(row, "limits");
	struct limits limits = { 0 };

	for (int n = 0; n < LIMITS; n++)
		limits.of[n] = (uint32_t)number_of(list, limit_keys[n]);
	if (!*limits_format(&limits, text))
		memcpy(text, "-", sizeof("-"));
}

/* How often newcomers met each of them, as "connections=3". */
static void format_reached(const struct json *row, char text[CELL])
{
	const struct json *list = json_get(row, "reached");
	struct limits reached = { 0 };
	uint64_t n;

	for (int i = 0; i < LIMITS; i++) {
		n = number_of(list, limit_keys[i]);
		reached.of[i] = n < LIMIT_OFF ? (uint32_t)n : LIMIT_OFF - 1;
	}
	if (!*limits_format(&reached, text))
		memcpy(text, "0", sizeof("0"));
}

static void format_cell(const struct column *c, const struct json *row, char text[CELL])
{
	int64_t n;

	if (c->format)
		c->format(row, text);
	else if (json_int(json_get(row, c->key), 0, INT64_MAX, &n) == 0)
		snprintf(text, CELL, "%" PRId64, n);
	else
		text_of(row, c->key, text);
}

static void print_row(const struct column *columns, const struct json *row, const int *widths)
{
	for (const struct column *c = columns; c->head; c++) {
		char text[CELL];

		if (row)
			format_cell(c, row, text);
		else
			snprintf(text, CELL, "%s", c->head);
		/* nothing behind the last one */
		if (c[1].head)
			printf("%-*s  ", widths[c - columns], text);
		else
			printf("%s\n", text);
	}
}

static void print_table(const struct column *columns, const struct json *rows)
{
	int widths[16];

	for (size_t i = 0; columns[i].head; i++) {
		widths[i] = (int)strlen(columns[i].head);
		for (size_t j = 0; j < json_len(rows); j++) {
			char text[CELL];
			int len;

			format_cell(&columns[i], json_at(rows, j), text);
			len = (int)strlen(text);
			if (len > widths[i])
				widths[i] = len;
		}
	}
	print_row(columns, NULL, widths);
	for (size_t j = 0; j < json_len(rows); j++)
		print_row(columns, json_at(rows, j), widths);
}

/* Strings of the member @key, as "a, b". */
static void print_list(const struct json *value, const char *key)
{
	const struct json *list = json_get(value, key);
	char text[CELL];

	for (size_t i = 0; i < json_len(list); i++) {
		const char *one = json_string(json_at(list, i));

		snprintf(text, sizeof(text), "%s", one ? one : "");
		make_printable(text);
		printf("%s%s", i ? ", " : "", text);
	}
	printf("\n");
}

static void print_warnings(const struct json *value)
{
	const struct json *list = json_get(value, "warnings");
	char text[WARNING_MAX];

	for (size_t i = 0; i < json_len(list); i++) {
		const char *one = json_string(json_at(list, i));

		snprintf(text, sizeof(text), "%s", one ? one : "");
		make_printable(text);
		printf("warning: %s\n", text);
	}
}

void table_added(const struct json *value)
{
	const struct json *rules = json_get(value, "rules");

	for (size_t i = 0; i < json_len(rules); i++) {
		const struct json *rule = json_at(rules, i);
		char host[CELL], container[CELL], protocol[CELL];

		format_host(rule, host);
		format_container(rule, container);
		printf("%s/%s -> %s\n", container, text_of(rule, "protocol", protocol), host);
	}
}

void table_removed(const struct json *value)
{
	uint64_t n = number_of(value, "connections");

	printf("rule %" PRIu64 " is removed, %" PRIu64 " connection%s open\n",
	       number_of(value, "id"), n, n == 1 ? " was" : "s were");
}

void table_reloaded(const struct json *value)
{
	uint64_t n = number_of(value, "closed");

	printf("%" PRIu64 " connection%s to other addresses %s closed\n", n, n == 1 ? "" : "s",
	       n == 1 ? "was" : "were");
	print_warnings(value);
}

void table_list(const struct json *value)
{
	static const struct column columns[] = {
		{ "ID", "id", NULL },
		{ "HOST", NULL, format_host },
		{ "CONTAINER", NULL, format_container },
		{ "PROTOCOL", "protocol", NULL },
		{ "CONNECTIONS", "connections", NULL },
		{ "DATAPATH", "datapath", NULL },
		{ "STATE", "state", NULL },
		{ "LIMITS", NULL, format_limits },
		{ NULL, NULL, NULL },
	};

	print_table(columns, json_get(value, "rules"));
	if (json_len(json_get(value, "child_ips"))) {
		printf("\nthe container's address: ");
		print_list(value, "child_ips");
	}
	print_warnings(value);
}

/* clang-format off */
#define BYTES                                                                  \
	{ "UP", "up_relayed", NULL }, { "REDIRECTED", "up_redirected", NULL }, \
	{ "DOWN", "down_relayed", NULL }, { "REDIRECTED", "down_redirected", NULL }
#define COUNTS                                                                 \
	{ "OPEN", "connections", NULL }, { "ACCEPTED", "accepted", NULL },     \
	{ "REFUSED", "refused", NULL }, BYTES,                                 \
	{ "CAPTURED", "captured", NULL }, { "FALLBACK", "fallback", NULL },    \
	{ "RELEASED", "released", NULL }
/* clang-format on */

static bool has_udp(const struct json *rules)
{
	bool udp = false;

	for (size_t i = 0; i < json_len(rules); i++) {
		const char *protocol = json_string(json_get(json_at(rules, i), "protocol"));

		udp |= protocol && strstr(protocol, "udp");
	}
	return udp;
}

void table_stats(const struct json *value)
{
	static const struct column rules[] = {
		{ "ID", "id", NULL }, { "SPEC", "spec", NULL },
		{ "DATAPATH", "datapath", NULL }, COUNTS,
		{ "AT LIMIT", NULL, format_reached }, { NULL, NULL, NULL },
	};
	static const struct column connections[] = {
		{ "ID", "id", NULL },	      { "RULE", "rule", NULL },
		{ "CLIENT", "client", NULL }, { "HOST", "host", NULL },
		{ "CONTAINER", "container", NULL }, { "STATE", "state", NULL },
		BYTES, { NULL, NULL, NULL },
	};
	const struct json *total = json_get(value, "total");
	char datapath[CELL];

	printf("datapath %s, %" PRIu64 " connections open, %" PRIu64 " accepted, %" PRIu64
	       " refused by the container\n"
	       "bytes up: %" PRIu64 " relayed, %" PRIu64 " redirected; down: %" PRIu64
	       " relayed, %" PRIu64 " redirected\n\n",
	       text_of(value, "datapath", datapath), number_of(total, "connections"),
	       number_of(total, "accepted"), number_of(total, "refused"),
	       number_of(total, "up_relayed"), number_of(total, "up_redirected"),
	       number_of(total, "down_relayed"), number_of(total, "down_redirected"));
	print_table(rules, json_get(value, "rules"));
	if (!json_has(value, "connections"))
		return;
	printf("\n");
	print_table(connections, json_get(value, "connections"));
	if (has_udp(json_get(value, "rules")))
		printf("UDP sessions are counted above, and not listed\n");
}
