/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "presets.h"
#include "util.h"

static void usage(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

static void usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("peer: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("; see peer --help\n", stderr);
	va_end(ap);
	exit(EXIT_USAGE);
}

/* A number with k, m or g for the powers of 1024; *end is what follows. */
static uint64_t parse_number(const char *option, const char *text, const char **ret_end)
{
	static const char units[] = "kmg";
	unsigned long long n;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		usage("%s: \"%s\" is no number", option, text);
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (unit) {
		end++;
		for (; unit >= units; unit--)
			if (__builtin_mul_overflow(n, 1024ull, &n))
				usage("%s: \"%s\" is too large", option, text);
	}
	*ret_end = end;
	return n;
}

static uint64_t parse_size(const char *option, const char *text)
{
	const char *end;
	uint64_t n = parse_number(option, text, &end);

	if (*end)
		usage("%s: \"%s\" is no size, like 65536 or 64k", option, text);
	return n;
}

static unsigned int parse_uint(const char *option, const char *text)
{
	uint64_t n = parse_size(option, text);

	if (n > 1u << 30)
		usage("%s: %s is more than %u", option, text, 1u << 30);
	return (unsigned int)n;
}

static struct range parse_range(const char *option, const char *text)
{
	struct range r;
	const char *end;

	r.min = r.max = parse_number(option, text, &end);
	if (*end == '-')
		r.max = parse_size(option, end + 1);
	else if (*end)
		usage("%s: \"%s\" is no range, like 1-64k", option, text);
	if (r.max < r.min || r.max > 1u << 30)
		usage("%s: \"%s\" is no range up to 1g", option, text);
	return r;
}

static double parse_seconds(const char *option, const char *text)
{
	char *end;
	double d = strtod(text, &end);

	if (end == text || *end || !(d >= 0 && d < 1e6))
		usage("%s: \"%s\" is no number of seconds", option, text);
	return d;
}

static int parse_word(const char *option, const char *text, const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	usage("%s: \"%s\" is not known", option, text);
}

static void parse_addr(const char *option, const char *text, struct addr *ret)
{
	if (addr_parse(text, ret) < 0)
		usage("%s: \"%s\" is no IP address", option, text);
}

static void parse_ports(struct options *o, const char *text)
{
	struct range r = parse_range("PORT", text);

	if (r.max > 65535 || (!r.min && r.max))
		usage("PORT: \"%s\" is no port and no range of ports", text);
	o->port = (uint16_t)r.min;
	o->port_end = (uint16_t)r.max;
}

/* How the value of an option is read, and so the type of its field. */
enum kind {
	KIND_FLAG, /* bool */
	KIND_VALUE, /* int: .value, when the option is there */
	KIND_WORD, /* int: the index in .words */
	KIND_UINT, /* unsigned int */
	KIND_SIZE, /* uint64_t */
	KIND_RANGE, /* struct range */
	KIND_SECONDS, /* double */
	KIND_ADDR, /* struct addr */
	KIND_TEXT, /* const char * */
	KIND_PORTS,
};

static const char *const on_off[] = { "off", "on", NULL };
static const char *const afters[] = { "now", "data", "eof", NULL };
static const char *const finishes[] = { "shutdown", "hold", "close", "rst", NULL };

#define FIELD(f) .field = offsetof(struct options, f)

static const struct rule {
	const char *name;
	enum kind kind;
	int value;
	size_t field;
	const char *const *words;
} rules[] = {
	{ "-4", KIND_VALUE, FIELD(family), .value = AF_INET },
	{ "-6", KIND_VALUE, FIELD(family), .value = AF_INET6 },
	{ "--bind", KIND_ADDR, FIELD(addr) },
	{ "--port", .kind = KIND_PORTS },
	{ "--source", KIND_ADDR, FIELD(source) },
	{ "--sources", KIND_UINT, FIELD(sources) },
	{ "--netns", KIND_TEXT, FIELD(netns) },
	{ "--socket", KIND_TEXT, FIELD(socket) },
	{ "--ready-fd", KIND_UINT, FIELD(ready_fd) },
	{ "--deadline", KIND_SECONDS, FIELD(deadline) },
	{ "--blocking", KIND_VALUE, FIELD(io), .value = IO_BLOCKING },
	{ "--poll", KIND_VALUE, FIELD(io), .value = IO_POLL },
	{ "--epoll", KIND_VALUE, FIELD(io), .value = IO_EPOLL },
	{ "--control", KIND_FLAG, FIELD(control) },
	{ "--nodelay", KIND_WORD, FIELD(nodelay), .words = on_off },
	{ "--rcvbuf", KIND_UINT, FIELD(rcvbuf) },
	{ "--sndbuf", KIND_UINT, FIELD(sndbuf) },
	{ "--seed", KIND_SIZE, FIELD(seed) },
	{ "--bytes", KIND_SIZE, FIELD(bytes) },
	{ "--connections", KIND_UINT, FIELD(connections) },
	{ "--streams", KIND_UINT, FIELD(connections) },
	{ "--send", KIND_SIZE, FIELD(plan.send) },
	{ "--expect", KIND_SIZE, FIELD(plan.expect) },
	{ "--read", KIND_SIZE, FIELD(plan.read) },
	{ "--unread", KIND_UINT, FIELD(plan.unread) },
	{ "--stop-after", KIND_SIZE, FIELD(plan.stop_after) },
	{ "--after", KIND_WORD, FIELD(plan.after), .words = afters },
	{ "--finish", KIND_WORD, FIELD(plan.finish), .words = finishes },
	{ "--write-size", KIND_RANGE, FIELD(plan.write_size) },
	{ "--read-size", KIND_RANGE, FIELD(plan.read_size) },
	{ "--read-pause", KIND_UINT, FIELD(plan.read_pause_ms) },
	{ "--until-blocked", KIND_UINT, FIELD(plan.blocked_ms) },
	{ "--stall", KIND_FLAG, FIELD(plan.stall) },
	{ "--gap", KIND_SIZE, FIELD(gap) },
	{ "--tail", KIND_SIZE, FIELD(tail) },
	{ "--marks", KIND_UINT, FIELD(marks) },
	{ "--inline", KIND_FLAG, FIELD(oob_inline) },
	{ "--ping", KIND_FLAG, FIELD(ping) },
	{ "--seconds", KIND_SECONDS, FIELD(seconds) },
	{ "--down", KIND_FLAG, FIELD(down) },
	{ "--flows", KIND_UINT, FIELD(flows) },
	{ "--request", KIND_UINT, FIELD(request) },
	{ "--response", KIND_UINT, FIELD(response) },
	{ "--writes", KIND_UINT, FIELD(writes) },
	{ "--step", KIND_UINT, FIELD(step) },
	{ "--rate", KIND_UINT, FIELD(rate) },
	{ "--client-closes", KIND_FLAG, FIELD(client_closes) },
};

static void parse_value(struct options *o, const struct rule *rule, const char *text)
{
	void *field = (char *)o + rule->field;

	switch (rule->kind) {
	case KIND_FLAG:
		*(bool *)field = true;
		break;
	case KIND_VALUE:
		*(int *)field = rule->value;
		break;
	case KIND_WORD:
		*(int *)field = parse_word(rule->name, text, rule->words);
		break;
	case KIND_UINT:
		*(unsigned int *)field = parse_uint(rule->name, text);
		break;
	case KIND_SIZE:
		*(uint64_t *)field = parse_size(rule->name, text);
		break;
	case KIND_RANGE:
		*(struct range *)field = parse_range(rule->name, text);
		break;
	case KIND_SECONDS:
		*(double *)field = parse_seconds(rule->name, text);
		break;
	case KIND_ADDR:
		parse_addr(rule->name, text, field);
		break;
	case KIND_TEXT:
		*(const char **)field = text;
		break;
	case KIND_PORTS:
		parse_ports(o, text);
		break;
	}
}

static const struct rule *rule_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
		presets_help();
		exit(0);
	}
	usage("%s: no such option", name);
}

/* Options and operands in any order. Returns how many operands there are. */
static int parse_args(struct options *o, char **args, char **operands)
{
	const struct rule *rule;
	int n = 0;

	for (; *args; args++) {
		if (**args != '-') {
			if (n == 2)
				usage("\"%s\" is one operand too many", *args);
			operands[n++] = *args;
			continue;
		}
		rule = rule_find(*args);
		if (rule->kind > KIND_VALUE && !args[1])
			usage("%s: a value is missing", *args);
		parse_value(o, rule, rule->kind > KIND_VALUE ? *++args : NULL);
	}
	return n;
}

static void parse_where(struct options *o, char **operands, int n)
{
	if (o->is_server && n)
		usage("a server takes --bind and --port, not \"%s\"", operands[0]);
	if (!o->is_server && n != 2)
		usage("a client wants ADDR and PORT");
	if (o->is_server) {
		if (o->addr.family != AF_UNSPEC && o->family != AF_UNSPEC &&
		    o->addr.family != o->family)
			usage("--bind and -4 or -6 contradict each other");
		return;
	}
	parse_addr("ADDR", operands[0], &o->addr);
	parse_ports(o, operands[1]);
	if (!o->port)
		usage("a client cannot connect to port 0");
	if (o->source.family != AF_UNSPEC && o->source.family != o->addr.family)
		usage("--source is not of the family of %s", operands[0]);
}

static void check_plan(const struct options *o)
{
	const struct plan *plan = &o->plan;

	if ((!plan->write_size.min && strcmp(o->mode, "udp-echo") != 0) || !plan->read_size.min)
		usage("--write-size and --read-size begin at 1");
	if (!o->sources || !o->marks || !o->flows || !o->request || !o->response)
		usage("--sources, --marks, --flows, --request and --response begin at 1");
	if (o->gap + o->tail < 8 || o->gap > 1u << 30 || o->tail > 1u << 30)
		usage("--gap and --tail are 8 in sum, and 1g each at most");
	if (plan->blocked_ms && o->io == IO_POLL)
		usage("--until-blocked needs --epoll or --blocking");
	if ((plan->read || plan->unread) && plan->finish < FINISH_CLOSE)
		usage("--read and --unread go with --finish close or rst");
	if (plan->stop_after != PEER_UNLIMITED && !o->control)
		usage("--stop-after needs --control: \"resume\" comes on stdin");
}

void options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = {
		.ready_fd = -1,
		.bytes = PEER_UNLIMITED,
		.deadline = 60,
		.io = IO_EPOLL,
		.nodelay = -1,
		.seed = 1,
		.sources = 1,
		.connections = 1,
		.gap = 1000,
		.tail = 1000,
		.marks = 1,
		.seconds = 3,
		.flows = 1,
		.request = 1,
		.response = 1,
		.writes = 5,
		.plan = {
			.expect = PEER_UNLIMITED,
			.stop_after = PEER_UNLIMITED,
			.write_size = { 64 * 1024, 64 * 1024 },
			.read_size = { 256 * 1024, 256 * 1024 },
		},
	};
	char *operands[2];

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		presets_help();
		exit(0);
	}
	if (argc < 3)
		usage("want client or server, and a mode");
	o.is_server = strcmp(argv[1], "server") == 0;
	if (!o.is_server && strcmp(argv[1], "client") != 0)
		usage("\"%s\" is neither client nor server", argv[1]);
	o.mode = argv[2];
	if (!presets_apply(&o))
		usage("\"%s\" is no mode of a %s", o.mode, argv[1]);
	parse_where(&o, operands, parse_args(&o, argv + 3, operands));
	presets_bytes(&o);
	check_plan(&o);
	*ret = o;
}
